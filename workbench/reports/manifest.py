"""manifest.json of a bundle: its files, its runs, and how their numbers were computed."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from analysis.catalog.dtypes import AUTO, Dtype
from workbench.reports.document import RunRecord

Id = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+00:00$")]
Name = Annotated[str, Field(max_length=300)]
StateKey = Annotated[str, Field(max_length=100)]
StateText = Annotated[str, Field(max_length=10_000)]
Count = Annotated[int, Field(ge=0, le=2**53)]


class ManifestPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ErrorPart(ManifestPart):
    code: str = Field(max_length=100)
    message: str = Field(max_length=100_000)
    remedy: str = Field(max_length=100_000)
    field: str | None = Field(default=None, max_length=300)


class RunPart(ManifestPart):
    """A run. `seconds`, `seed`, `self_check` and `provenance` are derived from the rest."""

    id: Id
    method: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    method_version: str = Field(max_length=50)
    model: Name
    revision: str | None = Field(max_length=100)
    params: dict[str, Any]
    defaults: dict[str, Any]
    seed: int | None
    status: Literal["done", "failed", "cancelled"]
    error: ErrorPart | None
    attempt: int = Field(ge=0, le=2**31 - 1)
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    seconds: float | None
    environment: dict[str, Any] | None
    self_check: dict[str, Any] | None
    provenance: str = Field(max_length=100_000)
    dtype: Dtype = AUTO

    @model_serializer(mode="wrap")
    def _dump(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `dtype` where it is not chosen, as in bundles of versions without it."""
        dumped: dict[str, Any] = dump(self)
        return {k: v for k, v in dumped.items() if k != "dtype" or v != AUTO}


class PanelPart(ManifestPart):
    id: Id
    folder: str = Field(pattern=r"^panels/\d{2,3}-[a-z0-9_]{1,64}$")
    text: str = Field(max_length=200_000)
    state: dict[StateKey, StateText] = Field(max_length=200)
    span: int = Field(ge=1, le=12)
    height: float | None = Field(ge=0, le=100_000)
    run: RunPart | None


class SessionPart(ManifestPart):
    id: Id
    owner: Name
    created_at: Time


class ModelPart(ManifestPart):
    """A model; `files`: digests as `analysis.catalog.revision.file_digests` makes them."""

    id: Name
    revision: str | None
    files: dict[str, str]


class FilePart(ManifestPart):
    sha256: Sha256
    bytes: Count


class Manifest(ManifestPart):
    format: Literal["glassbench bundle"] = "glassbench bundle"
    format_version: Literal[1] = 1
    glassbench: str = Field(max_length=50)
    title: str = Field(max_length=200)
    session: SessionPart | None
    panels: list[PanelPart] = Field(min_length=1, max_length=100)
    models: list[ModelPart]
    files: dict[str, FilePart]


def models_part(runs: list[RunRecord]) -> list[ModelPart]:
    """The models of the runs, each revision once, by name."""
    models = {
        (run.model, run.revision or ""): ModelPart(
            id=run.model,
            revision=run.revision,
            files=(run.environment or {}).get("model_files", {}),
        )
        for run in runs
    }
    return [models[key] for key in sorted(models)]
