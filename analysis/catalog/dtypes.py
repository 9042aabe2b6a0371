"""The dtypes in which a run may load a model."""

from typing import Literal, get_args

from analysis.errors import InvalidParams, shortened

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
AUTO: Dtype = "auto"  # float32 on a CPU, the checkpoint's own on a GPU
DTYPES: tuple[Dtype, ...] = get_args(Dtype)


def weights_dtype(kind: str, stored: str, asked: Dtype) -> str:
    """The dtype asked for; with `auto` float32 on a CPU, on a GPU the checkpoint's own.

    `kind` is that of the device; `stored` names the checkpoint's (`F16`; several: F16, then BF16).
    """
    if asked != AUTO:
        return asked
    names = stored.split(", ") if kind != "cpu" else []
    return "float16" if "F16" in names else "bfloat16" if "BF16" in names else "float32"


def check_dtype(name: str) -> Dtype:
    """The dtype of that name. Raises InvalidParams."""
    for known in DTYPES:
        if name == known:
            return known
    raise InvalidParams(
        f"dtype is {shortened(name)}; the choices are {', '.join(DTYPES)}.",
        remedy="Choose one of these, or leave dtype out.",
        field="dtype",
    )
