"""What is written about models."""

from typing import Any

from workbench.catalog.models import ModelCheck


def model_check_record(*, model: str, info: dict[str, Any]) -> None:
    """Keep the self-check that a load of the model made, if it made one."""
    if info.get("self_check") is None:
        return
    ModelCheck.objects.update_or_create(
        model=model, revision=info["revision"], defaults={"info": info}
    )
