"""Parameters of information flow in a language model."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from analysis.method import param
from analysis.text.context import TextParams

MOST_EDGE_SETS = 64
MOST_TOKENS = 4096
TARGET_TOKENS = 16
Grouping = Literal["token", "word", "sentence"]
Place = Annotated[int, Field(ge=0, lt=MOST_TOKENS)]


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

    target_start: int = param(
        0,
        "First target token of the output, counted from 0.",
        group="Target",
        capability="causal_lm",
        ge=0,
        le=4095,
    )
    target_length: int = param(
        1,
        "Number of target tokens; their log-probabilities are summed.",
        group="Target",
        capability="causal_lm",
        ge=1,
        le=TARGET_TOKENS,
    )
    matrix: bool = param(
        True,
        "Flow matrix: cut every pair of groups, one at a time.",
        group="Analyses",
        capability="causal_lm",
    )
    matrix_layers: bool = param(
        False,
        "Also compute the matrix for each layer, cut in that layer only; the cost is "
        "multiplied by the number of layers.",
        group="Analyses",
        capability="causal_lm",
    )
    knockout: bool = param(
        True,
        "Knockout curves: cut selected sources from the target in a sliding window of layers.",
        group="Analyses",
        capability="causal_lm",
    )
    tracing: bool = param(
        True,
        "Causal tracing: corrupt the subject with noise, restore one state at a time.",
        group="Analyses",
        capability="causal_lm",
    )
    routes: bool = param(
        True,
        "Information flow routes: contributions without any cut, and their agreement "
        "with the cuts.",
        group="Analyses",
        capability="causal_lm",
    )
    grouping: Grouping = param(
        "word",
        "Unit that is cut and restored as a whole. A prompt ten times as long makes "
        "the matrix a thousand times as expensive: choose sentence for long prompts. More than "
        "512 units are merged into the next larger unit.",
        group="Cuts",
        capability="causal_lm",
    )
    exact_cuts: int = param(
        0,
        "Edges of the matrix that are cut, beside those into the target: the ones of the largest "
        "estimates. The others are estimated by attribution patching (one forward and one backward "
        "pass). 0: as many as take about a minute; all edges of a short text in a small model.",
        group="Cuts",
        capability="causal_lm",
        ge=0,
        le=131072,
    )
    ablation: Literal["knockout", "zero"] = param(
        "knockout",
        "knockout: the score is set to −∞ before the softmax, so that the other "
        "weights are renormalised; zero: the attention weight is set to 0 after the softmax, and "
        "its mass is lost.",
        group="Cuts",
        capability="causal_lm",
    )
    layers: str = param(
        "",
        "Layers in which the matrix cuts, counted from 0, such as 0-2, 4. Empty: all.",
        group="Cuts",
        capability="causal_lm",
        max_length=200,
    )
    heads: str = param(
        "",
        "Heads in which matrix and curves cut, counted from 0, such as 0, 3. Empty: all.",
        group="Cuts",
        capability="causal_lm",
        max_length=200,
    )
    sources: str = param(
        "",
        "Sources of the knockout curves, separated by semicolons: words of the prompt "
        "(every occurrence), or positions such as @3-5,9. Empty: the groups whose cut from the "
        "target has the largest effect.",
        group="Cuts",
        capability="causal_lm",
        max_length=2000,
    )
    curves: int = param(
        5,
        "Number of knockout curves if no sources are given.",
        group="Cuts",
        capability="causal_lm",
        ge=1,
        le=16,
    )
    window: int = param(
        0,
        "k: width of the window of layers cut at each point of a curve, centred on "
        "its layer. If k is even, the window includes one more layer before than after. 0: a "
        "fifth of all layers, rounded to an odd number.",
        group="Cuts",
        capability="causal_lm",
        ge=0,
        le=255,
    )
    control_draws: int = param(
        5,
        "Control of each analysis: number of random cuts of the same size.",
        group="Cuts",
        capability="causal_lm",
        ge=2,
        le=100,
    )
    edges: tuple[EdgeSet, ...] = param(
        (),
        "Edges to cut together, selected in the figures.",
        group="Edges",
        widget="hidden",
        capability="causal_lm",
        max_length=MOST_EDGE_SETS,
    )
    subject: str = param(
        "",
        "Subject that causal tracing corrupts: words of the prompt (every "
        "occurrence), or positions such as @3-5,9. Empty: the group whose cut from the target has "
        "the largest effect.",
        group="Tracing",
        capability="causal_lm",
        max_length=200,
    )
    noise: float = param(
        3.0,
        "Standard deviation of the noise, in standard deviations of the embeddings.",
        group="Tracing",
        capability="causal_lm",
        gt=0,
        le=100,
    )
    draws: int = param(
        10,
        "Number of noise samples; effects are means over them.",
        group="Tracing",
        capability="causal_lm",
        ge=2,
        le=100,
    )
    trace_window: int = param(
        1,
        "Width of the window of layers in which the output of attention, or of the "
        "MLP, is restored, centred on the layer shown. If it is even, as ROME's 10, the window "
        "includes one more layer before than after.",
        group="Tracing",
        capability="causal_lm",
        ge=1,
        le=255,
    )
    tau: float = param(
        0.04,
        "τ: minimum contribution of a route; smaller contributions are ignored.",
        group="Routes",
        capability="causal_lm",
        ge=0.01,
        lt=1,
    )
    rows_per_forward: int = param(
        256,
        "Cuts per forward pass; affects memory and speed, not the result.",
        group="Sampling and seed",
        capability="causal_lm",
        ge=1,
        le=4096,
    )
