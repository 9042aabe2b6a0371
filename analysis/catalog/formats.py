"""Formats of checkpoints, recognized by file names and config.json before anything is loaded.

Quantized weights are read by transformers with a library for each format; what is no checkpoint of
transformers at all is refused with the reason and what to do.
"""

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from analysis.catalog.adapters import is_adapter, without_base
from analysis.catalog.files import WHOLE, read_json_if_there
from analysis.catalog.sizes import has_no_attention
from analysis.errors import ModelUnreadable, shortened


class Quantized(NamedTuple):
    """A format's usual name, and the packages that transformers reads it with (names for pip)."""

    name: str
    packages: tuple[str, ...] = ()


# By `quant_method` of config.json. Without a package: transformers reads it alone.
QUANTIZED = {
    "bitsandbytes": Quantized("bitsandbytes", ("bitsandbytes",)),
    "gptq": Quantized("GPTQ", ("gptqmodel", "optimum")),
    "awq": Quantized("AWQ", ("gptqmodel",)),
    "compressed-tensors": Quantized("compressed-tensors", ("compressed-tensors",)),
    "fp8": Quantized("FP8"),
    "mxfp8": Quantized("MXFP8"),
    "mxfp4": Quantized("MXFP4"),
    "bitnet": Quantized("BitNet"),
    "fbgemm_fp8": Quantized("FBGEMM FP8", ("fbgemm-gpu",)),
    "torchao": Quantized("torchao", ("torchao",)),
    "hqq": Quantized("HQQ", ("hqq",)),
    "quanto": Quantized("Quanto", ("optimum-quanto",)),
    "auto-round": Quantized("AutoRound", ("auto-round",)),
    "aqlm": Quantized("AQLM", ("aqlm",)),
    "eetq": Quantized("EETQ", ("kernels",)),
    "vptq": Quantized("VPTQ", ("vptq",)),
}
# Mixers of state-space models, whose layers attend to nothing.
WITHOUT_ATTENTION = re.compile(r"mamba2?|falcon_mamba|rwkv\w*|xlstm")
# Types whose classes need a package that is not required here, by its name for pip.
PACKAGES = {"gemma3n": "timm"}
VOCABULARIES = (
    "tokenizer.json", "vocab.json", "vocab.txt", "*.model", "*.tiktoken", "bpe.codes", "*.vocab",
)  # fmt: skip
TOKENIZER = VOCABULARIES[0]
INNER = ("tokenizer", "tokenizer_2")  # folders, as those of pipelines
MISTRAL_TOKENIZER = "tekken.json"
MISTRAL_PACKAGE = "mistral-common"
OF_BYTES = {"ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer"}  # they need no vocabulary


def refuse_foreign_format(path: Path) -> None:
    """Raise ModelUnreadable where a folder holds no checkpoint of transformers, but of another."""
    configured = (path / "config.json").is_file()
    if configured and (path / WHOLE).is_file():
        return
    if is_adapter(path):
        raise without_base(path)
    packed = sorted(file.name for file in path.glob("*.gguf"))
    if packed and not any(path.glob("*.safetensors")):
        raise ModelUnreadable(
            f"{path.name} holds GGUF files ({packed[0]}), which llama.cpp runs and no method here.",
            remedy="Choose the checkpoint in safetensors from which it was converted.",
        )


def refuse_unreadable_format(path: Path, config: dict[str, Any]) -> None:
    """Raise ModelUnreadable where config.json says that the weights cannot be used here."""
    kind = str(config.get("model_type"))
    if WITHOUT_ATTENTION.fullmatch(kind) or has_no_attention(config):
        raise ModelUnreadable(
            f"{path.name} is of the type {kind}: it has no attention, which methods here read.",
            remedy="Choose a transformer; hybrids of the two kinds of layers are read as well.",
        )
    package = PACKAGES.get(kind)
    if package and not is_installed(package):
        raise ModelUnreadable(
            f"{path.name} is of the type {kind}, whose pictures are read by {package}, which is "
            "not installed.",
            remedy=f"Install {package} in the worker's environment, or choose a text-only "
            "checkpoint of its family.",
        )
    found = quantization(config)
    if found is not None:
        _refuse_quantized(path, found)


def quantization(config: dict[str, Any]) -> str | None:
    """`quant_method` of quantized weights; None where they are not quantized."""
    parts = (config, config.get("text_config"))
    asked = [part.get("quantization_config") for part in parts if isinstance(part, dict)]
    found = next((one for one in asked if isinstance(one, dict) and one), None)
    if found is None:
        return None
    by_bits = "bitsandbytes" if found.get("load_in_4bit") or found.get("load_in_8bit") else ""
    return str(found.get("quant_method") or by_bits or "unknown")


def _refuse_quantized(path: Path, method: str) -> None:
    known = QUANTIZED.get(method)
    if known is None:
        raise ModelUnreadable(
            f"{path.name} stores quantized weights as {shortened(method)}, which is not read here.",
            remedy="Choose the checkpoint in float32, bfloat16 or float16.",
        )
    absent = [name for name in known.packages if not is_installed(name)]
    if absent:
        names = " and ".join(absent)
        raise ModelUnreadable(
            f"{path.name} stores quantized weights as {known.name}, and {names} is not installed.",
            remedy=f"Install {names} in the worker's environment, or choose the checkpoint in "
            "bfloat16.",
        )


def is_installed(package: str) -> bool:
    """Whether a package is installed, by its name for pip.

    Its import name is not asked for: a folder of that name on the path, such as `kernels` of this
    project, is another thing.
    """
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def refuse_without_tokenizer(path: Path) -> None:
    """Raise ModelUnreadable where a folder has no vocabulary that can be read."""
    if (path / TOKENIZER).is_file() or any(_vocabularies(path)) or _needs_no_vocabulary(path):
        return
    if (path / MISTRAL_TOKENIZER).is_file():
        if is_installed(MISTRAL_PACKAGE):
            return
        raise ModelUnreadable(
            f"{path.name} has its tokenizer in {MISTRAL_TOKENIZER} alone, and {MISTRAL_PACKAGE} is "
            "not installed.",
            remedy=f"Install {MISTRAL_PACKAGE} in the worker's environment, or put a "
            "tokenizer.json of this model into the folder.",
        )
    inner = sorted(file.parent.name for file in path.glob("*/tokenizer.json"))
    remedy = "Save it with tokenizer.save_pretrained(folder)."
    if inner:
        remedy = f"Copy the files of its folder {inner[0]} next to config.json."
    raise ModelUnreadable(
        f"{path.name} has no tokenizer (tokenizer.json, tokenizer.model, vocab.json or vocab.txt).",
        remedy=remedy,
    )


def tokenizer_choice(path: Path) -> str | None:
    """Names the tokenizer that is read where a folder has several; None where it has one."""
    mistral = [name for name in (MISTRAL_TOKENIZER,) if (path / name).is_file()]
    inner = [f"{name}/{TOKENIZER}" for name in INNER if (path / name / TOKENIZER).is_file()]
    others = [*mistral, *inner]
    if not others or not (path / TOKENIZER).is_file():
        return None
    return f"The folder also holds {' and '.join(others)}: {TOKENIZER} is read."


def _vocabularies(path: Path) -> Iterator[Path]:
    for pattern in VOCABULARIES:
        yield from path.glob(pattern)


def _needs_no_vocabulary(path: Path) -> bool:
    config = read_json_if_there(path, "tokenizer_config.json")
    return config.get("tokenizer_class") in OF_BYTES or bool(config.get("auto_map"))
