"""Delayed decoding of a vanilla trace: when predictions were final, and proposed κ, τ and W."""

from typing import Literal

from pydantic import Field

from analysis.decoding.rounded import Number
from analysis.events import Event, Record


class DelayedPosition(Record):
    """When a position's prediction became final, and when it was committed; steps of its block,
    from 1.
    """

    position: int
    stable: int = Field(description="e: the first step from which the argmax no longer changes.")
    committed: int = Field(description="t.")
    eos: bool = Field(description="Whether the final token is an end-of-text token.")


class Consistency(Record):
    """Evaluations of masked positions, binned by confidence and by distance to an anchor."""

    confidence: list[float] = Field(description="Bounds of the bin, the lower one inclusive.")
    distance: int | None = Field(
        description="Distance to the nearest anchor; 0: an anchor itself; the last bin is "
        "unbounded; null: no anchor."
    )
    looks: int
    consistent: int = Field(
        description="Number of these evaluations whose prediction was already final."
    )


class Redundancy(Record):
    """Σd/Σt with d = t − e: the share of evaluations whose prediction was already final."""

    positions: int
    share: Number


class Proposal(Record):
    """κ, τ and W that this run's early predictions support; see analysis/decoding/proposal.py."""

    kappa: Number
    tau: Number
    width: int
    consistent: int = Field(
        description="Number of these evaluations whose prediction was already final."
    )
    looks: int = Field(
        description="Number of evaluations at 1 to W tokens from an anchor, with "
        "confidence from τ to κ."
    )
    positions: int = Field(
        description="Number of distinct positions evaluated; a position is evaluated repeatedly."
    )
    low: Number = Field(default=0.0, description="95 % Wilson interval of consistent / looks.")
    high: Number = 1.0
    verdict: Literal["proposed", "unreliable", "too_few"] = Field(
        default="too_few",
        description="unreliable: a bin or the anchors do not reach 99 %; too_few: too few "
        "evaluations. The values are then the closest ones.",
    )
    anchors: int = Field(description="Number of evaluations with confidence ≥ κ.")
    anchors_consistent: int
    sentence: str = Field(default="", description="The result as a sentence.")


class Delays(Event):
    """Delayed decoding of the vanilla trace: how long positions waited after their prediction was
    final.
    """

    kind: Literal["delays"] = "delays"
    trace: int
    positions: list[DelayedPosition]
    redundancy: Redundancy = Field(description="Redundancy over all positions.")
    redundancy_without_eos: Redundancy = Field(
        description="Redundancy without end-of-text positions."
    )
    proposal: Proposal | None = Field(
        default=None, description="Proposal without end-of-text positions."
    )
    table: list[Consistency] = Field(
        description="Consistency over all positions, by confidence and distance."
    )
    table_without_eos: list[Consistency]
