"""The dtypes in which a run may load a model."""

from typing import Literal, get_args

from analysis.errors import InvalidParams, shortened

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
AUTO: Dtype = "auto"  # float32 on a CPU, the checkpoint's own on a GPU
DTYPES: tuple[Dtype, ...] = get_args(Dtype)


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
