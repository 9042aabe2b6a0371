"""What baselines and faithfulness run within a number of rows, and what a run says it left out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from analysis.costs.reagent import affordable_rows
from analysis.events import Event
from analysis.method import get
from analysis.methods.reagent import comparison_budget
from analysis.methods.reagent.baselines import ALL, GRADIENT, ROLLOUT
from analysis.methods.reagent.comparison_budget import planned
from analysis.methods.reagent.params import Params
from analysis.methods.reagent.probing import ProbeCase
from analysis.model import Model
from tests.analysis.methods.reagent.test_baselines import case_of

Analyze = Callable[..., list[Event]]


def params(**given: Any) -> Params:
    return Params(prompt="x", **given)


def of(events: list[Event], kind: str) -> list[Any]:
    return [event for event in events if event.kind == kind]  # type: ignore[attr-defined]


def test_a_short_text_in_a_small_model_is_compared_in_full(model: Model) -> None:
    plan = planned(case_of(model), params())
    assert (plan.baselines, plan.draws, plan.soft, plan.omitted) == (ALL, 5, True, ())


def test_a_text_of_500_tokens_in_a_model_of_gpt_2_s_size_gets_the_cheap_ones(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_of(model)
    rows = affordable_rows(124_000_000, 500, "cpu")
    monkeypatch.setattr(comparison_budget, "affordable_rows", lambda *_: rows)
    plan = planned(case, params())
    assert plan.baselines >= {GRADIENT, ROLLOUT}
    assert not plan.soft
    assert comparison_budget._rows(case, plan) <= rows <= 200
    assert {"Integrated gradients", "Soft-NS and Soft-NC"} <= {o.analysis for o in plan.omitted}
    assert all("comparison_rows" in one.reason for one in plan.omitted)


@pytest.mark.parametrize("rows", [1, 4, 60, 130, 400, 800, 3000])
def test_no_plan_takes_more_rows_than_are_given(rows: int, model: Model) -> None:
    case = case_of(model)
    plan = planned(case, params(comparison_rows=rows))
    whole = planned(case, params(comparison_rows=10**6))
    assert comparison_budget._rows(case, plan) <= rows
    assert plan.baselines <= whole.baselines
    assert bool(plan.omitted) is (replace(plan, omitted=()) != whole)


def test_what_is_not_asked_for_is_not_noted(model: Model) -> None:
    case: ProbeCase = case_of(model)
    off = params(comparison_rows=1, baselines=False, faithfulness=False)
    assert not planned(case, off).omitted


def test_a_run_repeats_its_probes_when_all_is_asked_for(analyze: Analyze) -> None:
    asked = {"baselines": True, "faithfulness": True, "draws": 2}
    few, all_ = (analyze(**asked, comparison_rows=rows) for rows in (100, 100_000))
    assert of(few, "omitted")
    assert not of(all_, "omitted")
    assert {one.name for one in of(few, "baseline")} < {one.name for one in of(all_, "baseline")}
    one, other = (of(events, "scores")[-1] for events in (few, all_))
    assert one.model_dump_json() == other.model_dump_json()


def test_examples_are_compared_in_full() -> None:
    assert all("comparison_rows" not in example.params for example in get("reagent").examples)
