"""What is asked of the information flow in a language model."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from analysis.text.context import TEXT_MODEL, TextParams

MOST_EDGE_SETS = 64
MOST_TOKENS = 4096
TARGET_TOKENS = 16
Place = Annotated[int, Field(ge=0, lt=MOST_TOKENS)]


def _extra(group: str, **more: str) -> dict[str, Any]:
    return {"group": group, **more, **TEXT_MODEL}


class EdgeSet(BaseModel):
    """Edges to be cut: every edge from one of the keys to one of the queries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: tuple[Place, ...] = Field(
        min_length=1, max_length=MOST_TOKENS, description="Positions that read."
    )
    keys: tuple[Place, ...] = Field(
        min_length=1, max_length=MOST_TOKENS, description="Positions that are read."
    )
    layers: tuple[Place, ...] | None = Field(
        default=None, max_length=MOST_TOKENS, description="Layers, from 0; null: all."
    )
    heads: tuple[Place, ...] | None = Field(
        default=None, max_length=MOST_TOKENS, description="Heads, from 0; null: all."
    )


class FlowParams(TextParams):
    """Prompt, target, what is cut, and which analyses are made."""

    target_start: int = Field(
        default=0,
        ge=0,
        le=4095,
        description="First output token whose probability is watched, counted from 0.",
        json_schema_extra=_extra("Target"),
    )
    target_length: int = Field(
        default=1,
        ge=1,
        le=TARGET_TOKENS,
        description="Output tokens watched as one; their log-probabilities are added.",
        json_schema_extra=_extra("Target"),
    )
    matrix: bool = Field(
        default=True,
        description="What each group passes to each other: every pair cut, one at a time.",
        json_schema_extra=_extra("Analyses"),
    )
    matrix_layers: bool = Field(
        default=False,
        description="The matrix once more for each of its layers, cut in that layer alone: as many "
        "times the work.",
        json_schema_extra=_extra("Analyses"),
    )
    knockout: bool = Field(
        default=True,
        description="Curves over layers: some sources cut from the target in a window of layers.",
        json_schema_extra=_extra("Analyses"),
    )
    tracing: bool = Field(
        default=True,
        description="Causal tracing: noise on the subject, one state restored at a time.",
        json_schema_extra=_extra("Analyses"),
    )
    routes: bool = Field(
        default=True,
        description="Routes by contribution, without any cut, and how they agree with the cuts.",
        json_schema_extra=_extra("Analyses"),
    )
    grouping: Literal["token", "word", "sentence"] = Field(
        default="word",
        description="What is cut, and restored, together. The matrix of a prompt ten times as long "
        "takes a thousand times as long: choose sentence there.",
        json_schema_extra=_extra("Cuts"),
    )
    ablation: Literal["knockout", "zero"] = Field(
        default="knockout",
        description="knockout: the score is −∞ before softmax, the rest renormalises; zero: the "
        "attention weight is set to 0 after softmax, its mass is lost.",
        json_schema_extra=_extra("Cuts"),
    )
    layers: str = Field(
        default="",
        max_length=200,
        description="Layers in which the matrix cuts, from 0, such as 0-2, 4. Empty: all.",
        json_schema_extra=_extra("Cuts"),
    )
    heads: str = Field(
        default="",
        max_length=200,
        description="Heads in which matrix and curves cut, from 0, such as 0, 3. Empty: all.",
        json_schema_extra=_extra("Cuts"),
    )
    sources: str = Field(
        default="",
        max_length=2000,
        description="Sources of the curves, separated by semicolons: words of the prompt (all "
        "places where they stand), or positions such as @3-5,9. Empty: the groups whose cut from "
        "the target matters most.",
        json_schema_extra=_extra("Cuts"),
    )
    curves: int = Field(
        default=5,
        ge=1,
        le=16,
        description="How many curves there are when no sources are named.",
        json_schema_extra=_extra("Cuts"),
    )
    window: int = Field(
        default=0,
        ge=0,
        le=255,
        description="k: layers that a point of a curve cuts, around its own. Of an even k, one "
        "more lies before it than after. 0: a fifth of all layers, odd.",
        json_schema_extra=_extra("Cuts"),
    )
    control_draws: int = Field(
        default=5,
        ge=2,
        le=100,
        description="Random cuts of the same size, as the control of each analysis.",
        json_schema_extra=_extra("Cuts"),
    )
    edges: tuple[EdgeSet, ...] = Field(
        default=(),
        max_length=MOST_EDGE_SETS,
        description="Edges to cut all at once, chosen in the pictures.",
        json_schema_extra=_extra("Edges", widget="hidden"),
    )
    subject: str = Field(
        default="",
        max_length=200,
        description="What the noise of causal tracing hides: words of the prompt (all places where "
        "they stand), or positions such as @3-5,9. Empty: the group whose cut from the target "
        "matters most.",
        json_schema_extra=_extra("Tracing"),
    )
    noise: float = Field(
        default=3.0,
        gt=0,
        le=100,
        description="Standard deviation of the noise, in those of the embeddings.",
        json_schema_extra=_extra("Tracing"),
    )
    draws: int = Field(
        default=10,
        ge=2,
        le=100,
        description="Draws of noise; effects are means over them.",
        json_schema_extra=_extra("Tracing"),
    )
    trace_window: int = Field(
        default=1,
        ge=1,
        le=255,
        description="Layers around its own in which the output of attention, or of the MLP, is "
        "restored. Of an even number, as ROME's 10, one more lies before it than after.",
        json_schema_extra=_extra("Tracing"),
    )
    tau: float = Field(
        default=0.04,
        ge=0.01,
        lt=1,
        description="τ: parts that contribute less are no route.",
        json_schema_extra=_extra("Routes"),
    )
    rows_per_forward: int = Field(
        default=256,
        ge=1,
        le=4096,
        description="Cuts per forward pass; changes memory and speed, not the result.",
        json_schema_extra=_extra("Sampling and seed"),
    )
