"""Stores model checks."""

from typing import Any

from workbench.catalog.models import ModelCheck


def model_check_record(*, model: str, info: dict[str, Any], dtype: str) -> None:
    """Store the self-check of a loaded model, if it has one; `dtype` as the run asked for it."""
    if info.get("self_check") is None:
        return
    ModelCheck.objects.update_or_create(
        model=model, revision=info["revision"], dtype=dtype, defaults={"info": info}
    )
