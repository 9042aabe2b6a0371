"""Reads the catalog of models and their stored checks."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings

from analysis.catalog.card import read_card, read_measured
from analysis.catalog.entries import Catalog, Description, describe
from analysis.catalog.tokenizer_file import Named, continuing
from workbench.catalog.models import ModelCheck


@dataclass(frozen=True)
class ModelDetail:
    """A model with its last self-check, its card and its measured gates."""

    description: Description
    revision: str | None
    self_check: dict[str, Any] | None
    checked_at: datetime | None
    card: str | None
    measured: list[dict[str, Any]]


@cache
def catalog() -> Catalog:
    """The catalog that the settings describe, the same in web process and worker."""
    return Catalog(
        model_dirs=tuple(settings.MODEL_DIRS),
        trusted_remote_code=frozenset(settings.TRUSTED_REMOTE_CODE),
    )


def model_list() -> list[Description]:
    """All models with the metadata of their files."""
    return [describe(entry) for entry in catalog().entries()]


def model_get(*, model: str) -> ModelDetail:
    """A model with its metadata, check, card and gates. Raises UnknownModel."""
    entry = catalog().find(model)
    description = describe(entry)
    revision = None if description.problem else entry.revision
    check = ModelCheck.objects.filter(model=model, revision=revision or "").first()
    return ModelDetail(
        description=description,
        revision=revision,
        self_check=check.info.get("self_check") if check else None,
        checked_at=check.at if check else None,
        card=read_card(entry.path) if entry.path else None,
        measured=read_measured(entry.path) if entry.path else [],
    )


def token_list(
    *, model: str, before: str, given: str | list[int], alone: bool
) -> list[Named] | None:
    """The model's tokens of a text that follows `before`; None: no tokenizer is available.

    Raises UnknownModel, ModelUnreadable.
    """
    path = catalog().find(model).path
    return continuing(path, before, given, alone=alone) if path else None
