"""How far the numbers in events of a trace are rounded."""

from typing import Annotated, Any

from pydantic import BeforeValidator

DIGITS = 7  # decimal places: five more than two devices agree on
ENTROPY_DIGITS = (
    9  # precision of float32, so that other thresholds compare with the number that decided
)


def _round(value: Any) -> Any:
    return round(value, DIGITS) if isinstance(value, float) else value


def _round_entropy(value: Any) -> Any:
    return round(value, ENTROPY_DIGITS) if isinstance(value, float) else value


Number = Annotated[float, BeforeValidator(_round)]
Entropy = Annotated[float, BeforeValidator(_round_entropy)]
