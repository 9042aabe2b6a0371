"""Anchors of comments: parts of a run by its own indices, never by pixels of a figure."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from workbench.errors import InvalidBody

Index = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Value = Annotated[str, StringConstraints(max_length=4000)]


class BaseAnchor(BaseModel):
    """`state`: the view's state when the comment was written, so that it can be restored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Annotated[dict[Key, Value], Field(max_length=64)] | None = None

    @property
    def last_token(self) -> int | None:
        """The highest token position of the anchor; None if it has none."""
        return None


class PanelAnchor(BaseAnchor):
    """The panel as a whole."""

    type: Literal["panel"]


class TokenAnchor(BaseAnchor):
    type: Literal["token"]
    index: Index

    @property
    def last_token(self) -> int:
        return self.index


class SpanAnchor(BaseAnchor):
    """Tokens from `start` up to, not including, `end`."""

    type: Literal["span"]
    start: Index
    end: Index

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"a span from {self.start} to {self.end} holds nothing")
        return self

    @property
    def last_token(self) -> int:
        return self.end - 1


class CellAnchor(BaseAnchor):
    type: Literal["cell"]
    row: Index
    column: Index
    layer: Index | None = None
    head: Index | None = None


class EdgeAnchor(BaseAnchor):
    type: Literal["edge"]
    source: Index
    target: Index


class NodeAnchor(BaseAnchor):
    type: Literal["node"]
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class StepAnchor(BaseAnchor):
    type: Literal["step"]
    index: Index


AnyAnchor = (
    PanelAnchor | TokenAnchor | SpanAnchor | CellAnchor | EdgeAnchor | NodeAnchor | StepAnchor
)
Anchor = Annotated[AnyAnchor, Field(discriminator="type")]


def check_anchor(anchor: AnyAnchor, *, tokens: int | None) -> None:
    """Refuse token positions beyond the run's `tokens`, if known. Raises InvalidBody."""
    last = anchor.last_token
    if tokens is not None and last is not None and last >= tokens:
        raise InvalidBody(
            f"Token {last} is not there: the run has tokens 0 to {tokens - 1}.",
            remedy="Select a token of the run, then comment.",
            field="anchor",
        )
