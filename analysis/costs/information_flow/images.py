"""What information flow in a text-to-image pipeline costs."""

import re
from collections.abc import Iterator
from typing import Any

from analysis.catalog.files import read_json_if_there
from analysis.costs.case import CostCase
from analysis.workload import PartSizes, Stage

JOINT = re.compile(r"\s*,\s*(?:and\s+)?|\s+(?:and|with|next to|beside)\s+", re.IGNORECASE)
STEPS = 50  # of a pipeline, by default
GUIDED = 2  # a picture is denoised with and without the prompt
JUDGED = "demo-t2i"
ENCODER_ROWS = 64
WIDTH = 64  # latent cells, where no file tells


def stages(case: CostCase) -> Iterator[Stage]:
    """The cuts in the text encoder, then the pictures."""
    items = _items(case)
    chosen = items[(int(case["item"]) or len(items)) - 1 : int(case["item"]) or None]
    words = len(str(case["prompt"]).split())
    if case["encoder_flow"]:
        yield from _encoder(case, words)
    rows = 1 + len(items)
    if case["leak"] and len(items) > 1:
        rows += 2
    if case["tokens"]:
        rows += sum(max(1, case.count(item)) for item in chosen[:1])
    if case["layer_row"]:
        rows += case.model.layers + 1
    # One more, if some of the item's tokens stand for it and others do not.
    more = int(case["removal"] and case["tokens"] and case.folder.name == JUDGED)
    yield _pictures(case, rows, rows + more)


def _items(case: CostCase) -> list[str]:
    given = [part for part in str(case["items"]).split(";") if part.strip()]
    return given or [part for part in JOINT.split(str(case["prompt"])) if part.strip()] or [""]


def _encoder(case: CostCase, words: int) -> Iterator[Stage]:
    windows = 1 + (case.model.layers if case["encoder_flow_layers"] else 0)
    length = case.model.context or case.prompt_tokens
    weights = [part.parameters or 0 for part in case.model.parts if "text_encoder" in part.name]
    sizes = PartSizes(
        max(weights, default=case.model.parameters),
        case.model.layers,
        case.model.heads,
        case.model.width,
    )
    cuts = windows * words * words if words > 1 else 0
    yield Stage(
        name="cutting", rows=cuts, tokens=length, kept=0, limit=ENCODER_ROWS, eager=True, part=sizes
    )
    yield Stage(name="cutting", rows=2 + words, tokens=length, forwards=2 + words, part=sizes)


def _pictures(case: CostCase, least: int, most: int) -> Stage:
    steps, each = int(case["steps"]) or STEPS, int(case["pictures"])
    pictures, passes = most * each, GUIDED * steps
    sizes, cells = _denoiser(case)
    return Stage(
        name="pictures",
        rows=pictures * passes,
        least=least * each * passes,
        tokens=cells + (case.model.context or case.prompt_tokens),
        kept=0,
        forwards=max(1, pictures / int(case["rows_per_batch"])) * steps,
        part=sizes,
        calls=2000 * steps,
    )


def _denoiser(case: CostCase) -> tuple[PartSizes, int]:
    """Its sizes, and the patches of a picture."""
    name = "transformer" if (case.folder / "transformer").is_dir() else "unet"
    config = read_json_if_there(case.folder / name, "config.json")
    heads = _number(config, ("num_attention_heads",), 16)
    layers = _number(config, ("num_layers",), 24) + _number(config, ("num_single_layers",), 0)
    weights = sum(part.parameters or 0 for part in case.model.parts if part.name == name)
    width = heads * _number(config, ("attention_head_dim", "cross_attention_dim"), 64)
    patch = _number(config, ("patch_size",), 1)
    edge = _number(config, ("sample_size",), WIDTH)
    if case["size"]:
        scale = read_json_if_there(case.folder / "vae", "config.json").get("block_out_channels")
        edge = int(case["size"]) // 2 ** (len(scale) - 1 if isinstance(scale, list) else 3)
    found = PartSizes(weights or case.model.parameters, layers, heads, width)
    return found, max(1, edge // patch) ** 2


def _number(config: dict[str, Any], names: tuple[str, ...], default: int) -> int:
    found = next((config[name] for name in names if isinstance(config.get(name), int)), default)
    return int(found)
