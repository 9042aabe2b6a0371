"""Which models there are and what is known of them."""

from functools import cache
from typing import Any

from django.conf import settings

from analysis.catalog.card import read_card, read_measured
from analysis.catalog.entries import Catalog
from analysis.catalog.tokenizer_file import Named, continuing
from workbench.catalog.models import ModelCheck


@cache
def catalog() -> Catalog:
    """The catalog that settings describe; web and worker see the same."""
    return Catalog(
        model_dirs=tuple(settings.MODEL_DIRS),
        trusted_remote_code=frozenset(settings.TRUSTED_REMOTE_CODE),
    )


def model_list() -> list[dict[str, Any]]:
    """Each model with its capabilities and, where its files are unreadable, the problem."""
    kept = ("id", "source", "title", "capabilities", "missing", "parameters", "problem")
    described = (catalog().describe(entry.id) for entry in catalog().entries())
    return [{name: facts[name] for name in kept} for facts in described]


def model_get(*, model: str) -> dict[str, Any]:
    """What the files say, with the last self-check of this revision. Raises UnknownModel."""
    path = catalog().find(model).path
    facts = catalog().describe(model)
    revision = None if facts["problem"] else catalog().revision(model)
    check = ModelCheck.objects.filter(model=model, revision=revision or "").first()
    return {
        **facts,
        "revision": revision,
        "self_check": check.info.get("self_check") if check else None,
        "checked_at": check.at if check else None,
        "card": read_card(path) if path else None,
        "measured": read_measured(path) if path else [],
    }


def token_list(
    *, model: str, before: str, given: str | list[int], alone: bool
) -> list[Named] | None:
    """A text that continues another as the model's tokens; None: its tokenizer is not at hand.

    Raises UnknownModel, ModelUnreadable.
    """
    path = catalog().find(model).path
    return continuing(path, before, given, alone=alone) if path else None
