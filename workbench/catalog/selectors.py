"""Reads the catalog of models and their stored checks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings

from analysis.catalog.card import read_card, read_measured
from analysis.catalog.entries import Catalog, Description, describe
from analysis.catalog.tokenizer_file import Named, continuing
from workbench.catalog.checks import failure
from workbench.catalog.models import ModelCheck


@dataclass(frozen=True)
class ModelListed:
    """A model; `failed_checks` says by dtype how its last self-check in it failed."""

    description: Description
    failed_checks: dict[str, str]


@dataclass(frozen=True)
class ModelDetail:
    """A model with its last self-check and its dtype, its card and its measured gates."""

    description: Description
    failed_checks: dict[str, str]
    revision: str | None
    self_check: dict[str, Any] | None
    checked_dtype: str | None
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


def model_list() -> list[ModelListed]:
    """All models with the metadata of their files, and their failed self-checks."""
    failed = ModelCheck.objects.filter(info__self_check__passed=False)
    checks: dict[str, list[ModelCheck]] = {}
    for check in failed:
        checks.setdefault(check.model, []).append(check)
    return [_listed(describe(entry), checks.get(entry.id, [])) for entry in catalog().entries()]


def _listed(description: Description, failed: list[ModelCheck]) -> ModelListed:
    if not failed or description.problem:
        return ModelListed(description, {})
    return ModelListed(description, _failures(failed, description.entry.revision))


def _failures(checks: Iterable[ModelCheck], revision: str | None) -> dict[str, str]:
    """By dtype, of this revision."""
    return {
        check.dtype: failure(check.info["self_check"])
        for check in checks
        if check.revision == revision and not check.info["self_check"]["passed"]
    }


def model_get(*, model: str) -> ModelDetail:
    """A model with its metadata, check, card and gates. Raises UnknownModel."""
    entry = catalog().find(model)
    description = describe(entry)
    revision = None if description.problem else entry.revision
    checks = list(ModelCheck.objects.filter(model=model, revision=revision or "").order_by("-at"))
    check = next(iter(checks), None)
    return ModelDetail(
        description=description,
        failed_checks=_failures(checks, revision),
        revision=revision,
        self_check=check.info.get("self_check") if check else None,
        checked_dtype=check.info.get("dtype") if check else None,
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
