"""Time and memory of a run before it is started, over HTTP."""

from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel, ConfigDict, Field

from analysis.catalog.dtypes import AUTO, Dtype
from analysis.costs.estimate import Estimate
from workbench.accounts.visitor import request_visitor
from workbench.answers import REFUSALS, ErrorOut
from workbench.estimates.selectors import RunEstimate
from workbench.routes.auth import guests
from workbench.sessions.run_estimate import run_estimated

router = Router(tags=["runs"], auth=guests)


class EstimateIn(BaseModel):
    """A run that is not started."""

    model_config = ConfigDict(extra="forbid")

    method: str = Field(max_length=100)
    model: str = Field(max_length=300)
    params: dict[str, Any] = Field(default_factory=dict)
    dtype: Dtype = AUTO
    session: UUID | None = Field(None, description="The session of the run; needs the role editor.")


class StageOut(BaseModel):
    """Forward passes of one kind."""

    name: str
    rows: int
    seconds: float


class CostOut(BaseModel):
    """Expected duration and memory; the interval holds for about nine of ten runs."""

    seconds: float = Field(description="Expected duration, loading included.")
    low: float
    high: float
    loading: float = Field(description="Of these, seconds to load the model; 0: it is loaded.")
    memory: int = Field(description="Peak in bytes, weights included.")
    tokens: int = Field(description="Tokens of the given text.")
    rows: int = Field(description="Sequences that pass through the model.")
    stages: list[StageOut]


class CheaperOut(BaseModel):
    """A variant of a long run that takes at most half as long."""

    params: dict[str, Any]
    lacks: list[str] = Field(description="What it lacks, as phrases.")
    cost: CostOut


class EstimateOut(BaseModel):
    """What a run is expected to take on a worker."""

    cost: CostOut | None = Field(description="null: the model is not on this machine.")
    basis: Literal["method", "model", "device", "calibration", "none"] = Field(
        description="Earlier runs of this method on this model, of other methods on it, of other "
        "models on this device, the speed measured by the worker, or nothing."
    )
    device: str = Field(description="Empty: none was measured.")
    available: int | None = Field(description="Memory of the device in bytes.")
    warm: bool = Field(description="A worker holds the model.")
    cheaper: CheaperOut | None = Field(description="Only for a run of more than ten minutes.")


@router.post("/estimates", response={200: EstimateOut, REFUSALS: ErrorOut}, operation_id="estimate")
def estimate(request: HttpRequest, body: EstimateIn) -> EstimateOut:
    found = run_estimated(
        visitor=request_visitor(request),
        session=body.session,
        method=body.method,
        model=body.model,
        params=body.params,
        dtype=body.dtype,
    )
    return estimate_out(found)


def estimate_out(found: RunEstimate | None) -> EstimateOut:
    if found is None:
        return EstimateOut(
            cost=None, basis="none", device="", available=None, warm=False, cheaper=None
        )
    variant = found.cheaper
    return EstimateOut(
        cost=_cost(found.found),
        basis=found.found.basis,
        device=found.place.name,
        available=found.place.memory if found.place.is_measured else None,
        warm=found.warm,
        cheaper=variant
        and CheaperOut(params=variant.params, lacks=list(variant.lacks), cost=_cost(variant.found)),
    )


def _cost(found: Estimate) -> CostOut:
    return CostOut(
        seconds=found.seconds,
        low=found.low,
        high=found.high,
        loading=found.loading,
        memory=found.memory,
        tokens=found.tokens,
        rows=found.rows,
        stages=[
            StageOut(name=stage.name, rows=stage.rows, seconds=stage.seconds)
            for stage in found.stages
        ],
    )
