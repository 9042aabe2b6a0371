"""Events of information flow in a language model; see the method's docstring for their order."""

from typing import Literal

from pydantic import Field

from analysis.events import Array, Event, Record
from analysis.methods.information_flow.text.params import EdgeSet, Grouping
from analysis.text.context import Alternative

Restored = Literal["residual", "attention", "mlp"]


class Group(Record):
    """Neighbouring tokens that are cut and restored together."""

    start: int = Field(description="First position.")
    end: int = Field(description="Position after the last.")
    text: str


class Groups(Event):
    """The G groups of input positions that attend to each other."""

    kind: Literal["groups"] = "groups"
    grouping: Grouping
    ablation: Literal["knockout", "zero"]
    groups: list[Group] = Field(
        description="Groups in text order. The positions from target_queries[0] on are one group."
    )
    positions: int = Field(
        description="N: number of input positions, without the last target token."
    )
    target_queries: list[int] = Field(
        description="Positions from which the target's tokens are predicted."
    )
    target_text: str
    logprob: float = Field(description="Log-probability of the target without cuts, natural log.")
    layers: list[int] = Field(description="Layers in which the matrix cuts.")
    heads: list[int] = Field(description="Heads in which matrix and curves cut.")


class FlowRow(Event):
    """Effect on a group of cutting each group before it; rows come from the last to the first.

    Of a long text all rows come as estimated first, and those with edges that are cut come again.
    """

    kind: Literal["flow_row"] = "flow_row"
    layer: int | None = Field(
        default=None,
        description="The only layer with the cut; null: all layers of the matrix.",
    )
    row: int = Field(description="The query group A; each list has one entry per group B < A.")
    delta_logprob: list[float] = Field(
        description="Change of the target's log-probability when the edges B → A are cut, nats."
    )
    state_change: list[float | None] = Field(
        description="1 − cosine of A's final states with and without the cut, mean over its "
        "tokens; null: estimated, not cut."
    )
    estimate: list[float] = Field(
        default=[],
        description="First-order estimates of delta_logprob by attribution patching; empty: none.",
    )
    exact: list[bool] = Field(
        default=[],
        description="Whether the edge was cut; false: delta_logprob is the estimate. Empty: all "
        "edges were cut.",
    )


class FlowCut(Record):
    """A pair of groups."""

    query: int = Field(description="The query group.")
    key: int = Field(description="The key group.")
    delta_logprob: float


class Control(Record):
    """Effect of random cuts of the same size on the target's log-probability, nats."""

    draws: list[float]
    mean: float
    deviation: float = Field(description="Standard deviation over the draws.")


class Estimates(Record):
    """Agreement of estimates and cuts of the same edges."""

    edges: int = Field(description="Number of edges of the matrix.")
    cut: int = Field(description="Number of edges that were cut, and are compared.")
    spearman: float | None = Field(description="Rank correlation; null: one side is constant.")
    largest_difference: float = Field(description="Largest |estimate − cut|, nats.")


class Flow(Event):
    """The matrix is complete; the control cuts as many random edges as the largest cut."""

    kind: Literal["flow"] = "flow"
    strongest: list[FlowCut] = Field(
        description="The cuts that lower the target's probability most, at most ten."
    )
    control_edges: int = Field(description="Number of edges per layer and head of a random cut.")
    control: Control
    estimates: Estimates | None = Field(
        default=None, description="Null: all edges were cut, none estimated."
    )


class Knockout(Event):
    """A curve: one source cut from the target in a window around each layer, L points."""

    kind: Literal["knockout"] = "knockout"
    source: int = Field(description="Number of the curve.")
    sources: int = Field(description="Total number of curves.")
    label: str
    positions: list[int]
    windows: list[tuple[int, int]] = Field(description="First and last layer cut, per point.")
    delta_logprob: list[float] = Field(description="Per point, nats.")
    percent: list[float | None] = Field(
        description="100 (p′ − p) / p per point; null: out of the range of float64."
    )
    all_layers: float = Field(description="Δ log-probability when all layers are cut, nats.")
    control_mean: list[float] = Field(
        description="Per point, the mean Δ log-probability when as many random positions are cut."
    )
    control_deviation: list[float] = Field(description="Its standard deviation over the draws.")


class EditedToken(Record):
    """A token of the output, with and without the cuts."""

    position: int
    text: str
    logprob: float = Field(description="Log-probability without cuts, natural log.")
    cut_logprob: float = Field(description="Log-probability with the edges cut.")


class Edit(Event):
    """The output with all chosen edges cut together.

    The control cuts as many random edges of the same layers and heads.
    """

    kind: Literal["edit"] = "edit"
    edges: list[EdgeSet]
    count: int = Field(description="Number of edges cut: query, key, layer and head.")
    output: list[EditedToken] = Field(description="The original output, token by token.")
    delta_logprob: float = Field(description="Change of the target's log-probability, nats.")
    first: list[Alternative] = Field(description="Most probable first tokens with the edges cut.")
    continuation: list[Alternative] = Field(
        description="Greedy output of the same length with the edges cut."
    )
    control: Control


class Corrupted(Event):
    """Causal tracing: effect of noise on the subject."""

    kind: Literal["corrupted"] = "corrupted"
    label: str
    positions: list[int]
    deviation: float = Field(
        description="Standard deviation of the noise, in units of the embeddings."
    )
    clean: float = Field(description="Probability of the target without noise.")
    corrupted: float = Field(description="Mean over the draws.")
    corrupted_deviation: float = Field(description="Standard deviation over the draws.")
    control: float = Field(
        description="Mean probability with noise on as many random positions instead."
    )
    control_deviation: float = Field(description="Standard deviation over the draws.")


class Trace(Event):
    """Indirect effects: how much restoring one state recovers the target's probability."""

    kind: Literal["trace"] = "trace"
    restored: Restored
    done: int = Field(
        description="Number of finished groups, from the last one; the others are still 0."
    )
    final: bool
    effect: Array = Field(description="[L, G] mean p(restored) − p(corrupted), float32.")
    deviation: Array = Field(description="[L, G] its standard error over the draws.")


class Routes(Event):
    """Information flow routes: contributions to each state in one forward pass without cuts.

    Each block's output y is a sum of parts z: a part's importance is max(‖y‖₁ − ‖y − z‖₁, 0),
    divided by the sum over all parts. Nodes are (layer, position); a kept edge lies on a path from
    the target on which every step is at least τ.
    """

    kind: Literal["routes"] = "routes"
    tau: float
    floor: float = Field(description="Smaller edges are omitted from the arrays.")
    layer: Array = Field(description="[E] int32, layer of an attention edge.")
    query: Array = Field(description="[E] int32, query position.")
    key: Array = Field(description="[E] int32, key position; may be the query itself.")
    importance: Array = Field(description="[E] float32, summed over heads, share of the block.")
    head: Array = Field(description="[E] int32, the head with the largest share of the edge.")
    kept: Array = Field(description="[E] uint8, 1: on a route from the target at τ.")
    attention_residual: Array = Field(
        description="[L, N] float32: share of the state before attention in the state after it."
    )
    mlp: Array = Field(description="[L, N] float32: share of the MLP in the state after it.")
    mlp_residual: Array = Field(description="[L, N] float32, likewise of the state before it.")
    reached: Array = Field(description="[L + 1, N] uint8, 1: the state is on a route.")


class Agreement(Event):
    """Rank agreement of routes and cuts: contribution is not causation."""

    kind: Literal["agreement"] = "agreement"
    about: Literal["target", "states"] = Field(
        description="target: contribution of each group to the target's group, compared with −Δ "
        "log-probability of the cut; states: all pairs of groups, compared with the change of "
        "state."
    )
    spearman: float | None = Field(description="Rank correlation; null: one side is constant.")
    pairs: int
    routes: list[float] = Field(
        description="For the target: importance of the edges from each group, over all layers."
    )
    cuts: list[float] = Field(description="For the target: −Δ log-probability of each cut, nats.")


EVENTS = (
    Groups, FlowRow, Flow, Knockout, Edit, Corrupted, Trace, Routes, Agreement,
)  # fmt: skip
