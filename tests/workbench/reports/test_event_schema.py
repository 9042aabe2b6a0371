"""Which events of a bundle are accepted, also those from before a field was added."""

from typing import Any

import pytest

from analysis.events import ModelInfo, ModelLoaded, SelfCheck
from analysis.method import get, stems
from workbench.reports.errors import BundleRefused
from workbench.reports.event_schema import EventSchema

CHECK = SelfCheck(
    passed=True, max_abs_difference=0.0, max_abs_difference_fast=0.0, tolerance=1e-4, tokens=9
)
INFO = ModelInfo(
    id="toy", revision="0" * 16, architecture="Toy", parameters=1, layers=1, heads=1,
    key_value_heads=1, width=8, context=96, vocabulary=300, dtype="float32", device="cpu",
    capabilities=["causal_lm"], weights="raw", self_check=CHECK,
)  # fmt: skip
ADDED = ("compared", "message", "rounding_nats")  # each has a default


def of_before() -> dict[str, Any]:
    """The model event as it was before these fields were there."""
    event = ModelLoaded(info=INFO).model_dump(mode="json")
    for name in ADDED:
        del event["info"]["self_check"][name]
    del event["info"]["brings"]
    return event


@pytest.mark.parametrize("method", stems())
def test_an_event_without_a_later_field_is_taken(method: str) -> None:
    schema = EventSchema.of(method, get(method).version)
    assert schema is not None
    schema.check(of_before(), "events.jsonl:1")


def test_an_event_without_a_field_that_has_no_default_is_refused() -> None:
    schema = EventSchema.of("reagent", get("reagent").version)
    assert schema is not None
    event = of_before()
    del event["info"]["layers"]
    with pytest.raises(BundleRefused, match="layers"):
        schema.check(event, "events.jsonl:1")
