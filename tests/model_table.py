"""What each method does on each family of models: the tables of docs/models.md.

`python -m tests.model_table` writes them; tests/analysis/test_model_table.py compares each row.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from safetensors.torch import save_file

import analysis
from analysis.catalog.entries import Catalog, folder_entry
from analysis.catalog.revision import folder_revision
from analysis.errors import GlassbenchError
from analysis.events import ModelInfo, ModelLoaded, Omitted
from tests import tiny_models, tiny_pictures, vision_models
from tests.families import TEXT, VOCABULARY, Make
from tests.multimodal import MULTIMODAL
from tests.tiny_models import byte_tokenizer, edit_config, save, spread

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "models.md"
BEGIN, END = "<!-- tables: python -m tests.model_table -->\n", "<!-- end of tables -->\n"
WORKS = "yes"
FINE_TUNED = ("GPT-2", "Llama 3.2", "Qwen 2.5", "Gemma 3")
PROMPT = {"prompt": "Anna has the ball.", "max_new_tokens": 2}
SEGMENTS = {
    "segments": ["Anna.", "Tom."], "edges": [{"source": "1", "target": "2"}], "question": " Who?",
    "answer": " Tom", "max_new_tokens": 1, "permutations": 0, "separator": "",
}  # fmt: skip
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "ReAGent": ("reagent", {**PROMPT, "probes": 16, "draws": 1}),
    "CNTP": ("cntp", {**PROMPT, "trial_cap": 2}),
    "Graph-KV": ("graph_kv", SEGMENTS),
    "Information flow": ("information_flow", {**PROMPT, "draws": 2}),
    "LocalLeap": ("local_leap", {"prompt": "Anna has", "canvas_length": 8, "block": 8}),
    "SEG similarity": (
        "seg_similarity",
        {"kind": "attribute", "scene": 0, "max_new_tokens": 3, "controls": 1},
    ),
    "Attribute leakage": (
        "information_flow",
        {"prompt": "a red ball and a book", "size": 32, "steps": 2, "pictures": 1},
    ),
}
Fill = Callable[[Path], Path]


def text_folder(make: Make) -> Fill:
    """The folder of a language model, with a byte-level tokenizer."""

    def fill(path: Path) -> Path:
        return save(spread(make().eval()), byte_tokenizer(), path)

    return fill


def fine_tuned(make: Make) -> Fill:
    """Likewise, with a token [PAD] that was added to the tokenizer and not to the model."""

    def fill(path: Path) -> Path:
        tokenizer = byte_tokenizer()
        unused = [f"<unused{n}>" for n in range(VOCABULARY - len(tokenizer))]
        tokenizer.add_tokens(unused)
        tokenizer.add_special_tokens({"pad_token": "[PAD]"})
        return save(spread(make().eval()), tokenizer, path)

    return fill


def unmade(config: Any, architecture: str) -> Fill:
    """The folder of a class that cannot be made here: its config, a tokenizer, no such weights."""

    def fill(path: Path) -> Path:
        save_file({"weight": torch.zeros(1)}, _empty(path) / "model.safetensors")
        config().save_pretrained(path)
        edit_config(path, architectures=[architecture])
        byte_tokenizer().save_pretrained(path)
        return path

    return fill


def _empty(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


TABLES: dict[str, tuple[tuple[str, ...], dict[str, Fill]]] = {
    "Language models": (
        ("ReAGent", "CNTP", "Graph-KV", "Information flow"),
        {
            **{name: text_folder(make) for name, make in TEXT.items()},
            **{f"{name} with an added token": fine_tuned(TEXT[name]) for name in FINE_TUNED},
            "Mamba": unmade(hf.MambaConfig, "MambaForCausalLM"),
            "RWKV": unmade(hf.RwkvConfig, "RwkvForCausalLM"),
        },
    ),
    "Masked and diffusion language models": (
        ("LocalLeap",),
        {
            "BERT": tiny_models.make_bert,
            "RoBERTa": tiny_models.make_roberta,
            "ModernBERT": tiny_models.make_modernbert,
            "LLaDA (its own code)": tiny_models.make_llada,
            "Dream (its own code)": tiny_models.make_dream,
        },
    ),
    "Language models of multimodal checkpoints, on a text alone": (
        ("ReAGent", "CNTP", "Graph-KV", "Information flow"),
        {
            "LLaVA 1.5 (text)": tiny_pictures.make_llava,
            "Qwen2.5-VL (text)": tiny_pictures.make_qwen2_5_vl,
            "Gemma 3 4B (text)": vision_models.make_gemma3,
            "SmolVLM (text)": vision_models.make_idefics3,
            **{name: text_folder(make) for name, make in MULTIMODAL.items()},
            "Gemma 3n": unmade(hf.Gemma3nConfig, "Gemma3nForConditionalGeneration"),
        },
    ),
    "Encoder-decoder models": (
        ("ReAGent", "CNTP", "Graph-KV", "Information flow", "LocalLeap"),
        {"T5": tiny_models.make_t5, "BART": tiny_models.make_bart},
    ),
    "Vision-language models": (
        ("SEG similarity",),
        {
            "LLaVA 1.5": tiny_pictures.make_llava,
            "LLaVA-Next": vision_models.make_llava_next,
            "Qwen2-VL": vision_models.make_qwen2_vl,
            "Qwen2.5-VL": tiny_pictures.make_qwen2_5_vl,
            "Qwen3-VL": vision_models.make_qwen3_vl,
            "Gemma 3 4B": vision_models.make_gemma3,
            "SmolVLM (Idefics 3)": vision_models.make_idefics3,
            "Mistral 3 with pictures": vision_models.make_mistral3,
            "Llama 3.2 Vision with pictures": vision_models.make_mllama,
        },
    ),
    "Text-to-image pipelines": (
        ("Attribute leakage",),
        {
            "Stable Diffusion 1": tiny_pictures.make_sd,
            "Stable Diffusion XL": tiny_pictures.make_sdxl,
            "Stable Diffusion 3": tiny_pictures.make_sd3,
            "Flux": tiny_pictures.make_flux,
            "PixArt-α": tiny_pictures.make_pixart_alpha,
            "PixArt-Σ": tiny_pictures.make_pixart_sigma,
            "Sana": tiny_pictures.make_sana,
        },
    ),
}


def row(title: str, name: str) -> list[str]:
    """Family, self-check and methods of one row, made by running all of them."""
    methods, fills = TABLES[title]
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as root:
        folder = fills[name](Path(root) / "model")
        cells, infos = zip(*(cell(folder, *METHODS[method]) for method in methods), strict=True)
    info = next((info for info in infos if info), None)
    return [name, _check(info), *cells]


def cell(folder: Path, method: str, params: dict[str, Any]) -> tuple[str, ModelInfo | None]:
    """Whether a method works on a model, or why not."""
    info, omitted = None, []
    listed = Catalog(trusted_remote_code=frozenset({f"{folder.name}@{folder_revision(folder)}"}))
    given = {"model": folder_entry(folder), "params": params, "catalog": listed}
    try:
        for event in analysis.run(method, **given):
            if isinstance(event, ModelLoaded):
                info = event.info
            elif isinstance(event, Omitted):
                omitted.append(f"without {event.analysis[0].lower()}{event.analysis[1:]}")
    except GlassbenchError as error:
        return f"no: {error}", info
    return ", ".join([WORKS, *omitted]), info


def _check(info: ModelInfo | None) -> str:
    check = info and info.self_check
    if not check:
        return "–"
    verdict = "passes" if check.passed else "fails"
    return f"{verdict}; {check.message}".removesuffix("; ").removesuffix(".")


def tables() -> str:
    """All tables, as Markdown."""
    parts = []
    for title, (methods, fills) in TABLES.items():
        head = ["Family", "Self-check", *methods]
        rows = [head, ["---"] * len(head), *(row(title, name) for name in fills)]
        lines = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
        parts.append(f"## {title}\n\n{lines}\n")
    return "\n".join(parts)


def documented(name: str) -> list[str]:
    """The row of a family in the document."""
    lines = DOCUMENT.read_text().splitlines()
    [line] = [line for line in lines if line.startswith(f"| {name} |")]
    return line.removeprefix("| ").removesuffix(" |").split(" | ")


if __name__ == "__main__":
    before, rest = DOCUMENT.read_text().split(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{tables()}\n{END}{rest.split(END)[1]}")
