"""What each method does on each family of models: the tables of docs/models.md.

`python -m tests.model_table` writes them; tests/analysis/test_model_table.py compares each row.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import analysis
from analysis.catalog.entries import Catalog, folder_entry
from analysis.catalog.revision import folder_revision
from analysis.errors import GlassbenchError
from analysis.events import ModelInfo, ModelLoaded, Omitted
from tests import tiny_models, tiny_pictures
from tests.families import TEXT, Make
from tests.multimodal import MULTIMODAL
from tests.tiny_models import byte_tokenizer, save, spread

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "models.md"
BEGIN, END = "<!-- tables: python -m tests.model_table -->\n", "<!-- end of tables -->\n"
WORKS = "yes"
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
    "SEG similarity": ("seg_similarity", {"kind": "attribute", "scene": 0}),
    "Attribute leakage": ("information_flow", {"prompt": "a red ball and a book", "size": 32}),
}
Fill = Callable[[Path], Path]


def text_folder(make: Make) -> Fill:
    """The folder of a language model, with a byte-level tokenizer."""

    def fill(path: Path) -> Path:
        return save(spread(make().eval()), byte_tokenizer(), path)

    return fill


TABLES: dict[str, tuple[tuple[str, ...], dict[str, Fill]]] = {
    "Language models": (
        ("ReAGent", "CNTP", "Graph-KV", "Information flow"),
        {name: text_folder(make) for name, make in TEXT.items()},
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
            **{name: text_folder(make) for name, make in MULTIMODAL.items()},
        },
    ),
    "Vision-language models": (
        ("SEG similarity",),
        {"LLaVA 1.5": tiny_pictures.make_llava, "Qwen2.5-VL": tiny_pictures.make_qwen2_5_vl},
    ),
    "Text-to-image pipelines": (
        ("Attribute leakage",),
        {
            "Stable Diffusion 1": tiny_pictures.make_sd,
            "Stable Diffusion XL": tiny_pictures.make_sdxl,
            "Stable Diffusion 3": tiny_pictures.make_sd3,
            "Flux": tiny_pictures.make_flux,
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
