"""Methods and models over HTTP."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router
from ninja.responses import codes_4xx
from pydantic import BaseModel

from workbench.catalog.methods import MethodOut, method_list
from workbench.catalog.selectors import model_get, model_list
from workbench.messages import ErrorOut

router = Router(tags=["catalog"])


class ModelOut(BaseModel):
    """A model of the list."""

    id: str
    source: str
    title: str
    capabilities: list[str]
    problem: str | None


class ModelFacts(ModelOut):
    """What a model's files say; null where they are not downloaded or not readable."""

    architecture: str | None
    parameters: int | None
    bytes: int | None
    layers: int | None
    heads: int | None
    key_value_heads: int | None
    width: int | None
    context: int | None
    vocabulary: int | None
    dtype: str | None
    missing: dict[str, str]
    revision: str | None
    self_check: dict[str, Any] | None
    checked_at: datetime | None


@router.get("/methods", response=list[MethodOut], operation_id="methods")
def methods(request: HttpRequest) -> list[MethodOut]:
    return list(method_list())


@router.get("/models", response=list[ModelOut], operation_id="models")
def models(request: HttpRequest) -> list[dict[str, Any]]:
    return model_list()


@router.get(
    "/models/{path:model_id}",
    response={200: ModelFacts, codes_4xx: ErrorOut},
    operation_id="model",
)
def model(request: HttpRequest, model_id: str) -> dict[str, Any]:
    return model_get(model=model_id)
