"""Methods and models over HTTP."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel, Field

from analysis.catalog.entries import Description
from analysis.catalog.metadata import ModelMetadata
from analysis.events import SelfCheck
from workbench.answers import REFUSALS, ErrorOut
from workbench.catalog.methods import MethodOut, method_list
from workbench.catalog.selectors import ModelDetail, model_get, model_list, token_list
from workbench.routes.auth import guests

TOKENS_SHOWN = 24
TokenId = Annotated[int, Field(ge=0, le=10_000_000)]

router = Router(tags=["catalog"], auth=guests)


class ModelOut(BaseModel):
    """A model in the list."""

    id: str
    source: str
    title: str
    capabilities: list[str]
    missing: dict[str, str]
    parameters: int | None
    problem: str | None
    warnings: list[str] = Field(description="What of a model that loads cannot be used.")
    failed_checks: dict[str, str] = Field(
        description="By the dtype that was asked for: how the last self-check failed, as a "
        "sentence."
    )


class PartOut(BaseModel):
    """A part of a pipeline or of a model's folder; fields are null if it has no weights."""

    name: str
    class_name: str
    parameters: int | None
    bytes: int | None
    dtype: str | None


class VisionOut(BaseModel):
    """The vision part of a model; fields are null if they depend on the picture."""

    architecture: str
    image_size: int | None = Field(description="Edge in pixels of the vision tower's input.")
    patch_size: int | None = Field(description="Edge in pixels.")
    image_tokens: int | None = Field(description="Per picture, or per tile.")
    token_pixels: int | None = Field(description="Edge of the square of pixels per token.")
    tiled: bool
    mask_decoder: bool


class MeasuredOut(BaseModel):
    """A measured share of held-out items; it must be at least `required` and below `limit`."""

    name: str
    share: float
    items: int | None
    required: float | None
    limit: float | None


class ModelFacts(ModelOut):
    """A model's metadata; fields are null if its files are not downloaded or not readable."""

    architecture: str | None
    bytes: int | None
    layers: int | None
    heads: int | None
    key_value_heads: int | None
    width: int | None
    context: int | None
    vocabulary: int | None
    dtype: str | None
    revision: str | None
    trained_for_diffusion: bool | None
    vision: VisionOut | None
    parts: list[PartOut]
    self_check: SelfCheck | None
    checked_dtype: str | None = Field(description="The dtype in which the self-check was made.")
    checked_at: datetime | None
    card: str | None = Field(description="README.md, as Markdown.")
    measured: list[MeasuredOut]


class TokensIn(BaseModel):
    """A text that follows another, or token ids, to be shown as a model's tokens."""

    model: str = Field(max_length=300)
    before: str = Field(default="", max_length=4000, description="The text before it.")
    given: (
        Annotated[str, Field(max_length=10_000)] | Annotated[list[TokenId], Field(max_length=128)]
    )
    alone: bool = Field(
        default=False, description="Prefer one token for the text, if there is one."
    )


class TokenOut(BaseModel):
    """A token of a model."""

    id: int
    text: str = Field(description="The text that it adds, with its space; #555 if it has no text.")
    piece: str = Field(description="Its entry in the vocabulary.")


class TokensOut(BaseModel):
    """The first tokens of a text; `total` is null if the model's tokenizer is not available."""

    total: int | None
    tokens: list[TokenOut]


@router.post("/tokens", response={200: TokensOut, REFUSALS: ErrorOut}, operation_id="tokens")
def tokens(request: HttpRequest, body: TokensIn) -> TokensOut:
    named = token_list(model=body.model, before=body.before, given=body.given, alone=body.alone)
    if named is None:
        return TokensOut(total=None, tokens=[])
    shown = [TokenOut(id=one.id, text=one.text, piece=one.piece) for one in named[:TOKENS_SHOWN]]
    return TokensOut(total=len(named), tokens=shown)


@router.get("/methods", response={200: list[MethodOut], REFUSALS: ErrorOut}, operation_id="methods")
def methods(request: HttpRequest) -> list[MethodOut]:
    return list(method_list())


@router.get("/models", response={200: list[ModelOut], REFUSALS: ErrorOut}, operation_id="models")
def models(request: HttpRequest) -> list[ModelOut]:
    return [listed_model(found.description, found.failed_checks) for found in model_list()]


@router.get(
    "/models/{path:model_id}",
    response={200: ModelFacts, REFUSALS: ErrorOut},
    operation_id="model",
)
def model(request: HttpRequest, model_id: str) -> ModelFacts:
    return model_facts(model_get(model=model_id))


def listed_model(description: Description, failed_checks: dict[str, str]) -> ModelOut:
    """The model's entry in the list."""
    entry, metadata = description.entry, description.metadata
    return ModelOut(
        id=entry.id,
        source=entry.source,
        title=entry.title,
        capabilities=list(description.capabilities),
        missing=metadata.missing if metadata else {},
        parameters=metadata.parameters if metadata else None,
        problem=description.problem,
        warnings=list(metadata.warnings) if metadata else [],
        failed_checks=failed_checks,
    )


def model_facts(detail: ModelDetail) -> ModelFacts:
    """The model's metadata, check, card and gates."""
    description = detail.description
    unknown: dict[str, object] = {
        **dict.fromkeys(field.name for field in fields(ModelMetadata)),
        "parts": [],
    }
    return ModelFacts.model_validate(
        {
            **(asdict(description.metadata) if description.metadata else unknown),
            **listed_model(description, detail.failed_checks).model_dump(),
            "revision": detail.revision,
            "self_check": detail.self_check,
            "checked_dtype": detail.checked_dtype,
            "checked_at": detail.checked_at,
            "card": detail.card,
            "measured": detail.measured,
        }
    )
