"""Parameters of information flow in a language model."""

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
    """Edges to cut: every edge from one of the keys to one of the queries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: tuple[Place, ...] = Field(
        min_length=1, max_length=MOST_TOKENS, description="Positions of the queries."
    )
    keys: tuple[Place, ...] = Field(
        min_length=1, max_length=MOST_TOKENS, description="Positions of the keys."
    )
    layers: tuple[Place, ...] | None = Field(
        default=None, max_length=MOST_TOKENS, description="Layers, from 0; null: all."
    )
    heads: tuple[Place, ...] | None = Field(
        default=None, max_length=MOST_TOKENS, description="Heads, from 0; null: all."
    )


class FlowParams(TextParams):
    """Parameters for prompt, target, cuts and analyses."""

    target_start: int = Field(
        default=0,
        ge=0,
        le=4095,
        description="First target token of the output, counted from 0.",
        json_schema_extra=_extra("Target"),
    )
    target_length: int = Field(
        default=1,
        ge=1,
        le=TARGET_TOKENS,
        description="Number of target tokens; their log-probabilities are summed.",
        json_schema_extra=_extra("Target"),
    )
    matrix: bool = Field(
        default=True,
        description="Flow matrix: cut every pair of groups, one at a time.",
        json_schema_extra=_extra("Analyses"),
    )
    matrix_layers: bool = Field(
        default=False,
        description="Also compute the matrix for each layer, cut in that layer only; the cost is "
        "multiplied by the number of layers.",
        json_schema_extra=_extra("Analyses"),
    )
    knockout: bool = Field(
        default=True,
        description="Knockout curves: cut selected sources from the target in a sliding window of "
        "layers.",
        json_schema_extra=_extra("Analyses"),
    )
    tracing: bool = Field(
        default=True,
        description="Causal tracing: corrupt the subject with noise, restore one state at a time.",
        json_schema_extra=_extra("Analyses"),
    )
    routes: bool = Field(
        default=True,
        description="Information flow routes: contributions without any cut, and their agreement "
        "with the cuts.",
        json_schema_extra=_extra("Analyses"),
    )
    grouping: Literal["token", "word", "sentence"] = Field(
        default="word",
        description="Unit that is cut and restored as a whole. A prompt ten times as long makes "
        "the matrix a thousand times as expensive: choose sentence for long prompts.",
        json_schema_extra=_extra("Cuts"),
    )
    ablation: Literal["knockout", "zero"] = Field(
        default="knockout",
        description="knockout: the score is set to −∞ before the softmax, so that the other "
        "weights are renormalised; zero: the attention weight is set to 0 after the softmax, and "
        "its mass is lost.",
        json_schema_extra=_extra("Cuts"),
    )
    layers: str = Field(
        default="",
        max_length=200,
        description="Layers in which the matrix cuts, counted from 0, such as 0-2, 4. Empty: all.",
        json_schema_extra=_extra("Cuts"),
    )
    heads: str = Field(
        default="",
        max_length=200,
        description="Heads in which matrix and curves cut, counted from 0, such as 0, 3. Empty: "
        "all.",
        json_schema_extra=_extra("Cuts"),
    )
    sources: str = Field(
        default="",
        max_length=2000,
        description="Sources of the knockout curves, separated by semicolons: words of the prompt "
        "(every occurrence), or positions such as @3-5,9. Empty: the groups whose cut from the "
        "target has the largest effect.",
        json_schema_extra=_extra("Cuts"),
    )
    curves: int = Field(
        default=5,
        ge=1,
        le=16,
        description="Number of knockout curves if no sources are given.",
        json_schema_extra=_extra("Cuts"),
    )
    window: int = Field(
        default=0,
        ge=0,
        le=255,
        description="k: width of the window of layers cut at each point of a curve, centred on "
        "its layer. If k is even, the window includes one more layer before than after. 0: a "
        "fifth of all layers, rounded to an odd number.",
        json_schema_extra=_extra("Cuts"),
    )
    control_draws: int = Field(
        default=5,
        ge=2,
        le=100,
        description="Control of each analysis: number of random cuts of the same size.",
        json_schema_extra=_extra("Cuts"),
    )
    edges: tuple[EdgeSet, ...] = Field(
        default=(),
        max_length=MOST_EDGE_SETS,
        description="Edges to cut together, selected in the figures.",
        json_schema_extra=_extra("Edges", widget="hidden"),
    )
    subject: str = Field(
        default="",
        max_length=200,
        description="Subject that causal tracing corrupts: words of the prompt (every "
        "occurrence), or positions such as @3-5,9. Empty: the group whose cut from the target has "
        "the largest effect.",
        json_schema_extra=_extra("Tracing"),
    )
    noise: float = Field(
        default=3.0,
        gt=0,
        le=100,
        description="Standard deviation of the noise, in standard deviations of the embeddings.",
        json_schema_extra=_extra("Tracing"),
    )
    draws: int = Field(
        default=10,
        ge=2,
        le=100,
        description="Number of noise samples; effects are means over them.",
        json_schema_extra=_extra("Tracing"),
    )
    trace_window: int = Field(
        default=1,
        ge=1,
        le=255,
        description="Width of the window of layers in which the output of attention, or of the "
        "MLP, is restored, centred on the layer shown. If it is even, as ROME's 10, the window "
        "includes one more layer before than after.",
        json_schema_extra=_extra("Tracing"),
    )
    tau: float = Field(
        default=0.04,
        ge=0.01,
        lt=1,
        description="τ: minimum contribution of a route; smaller contributions are ignored.",
        json_schema_extra=_extra("Routes"),
    )
    rows_per_forward: int = Field(
        default=256,
        ge=1,
        le=4096,
        description="Cuts per forward pass; affects memory and speed, not the result.",
        json_schema_extra=_extra("Sampling and seed"),
    )
