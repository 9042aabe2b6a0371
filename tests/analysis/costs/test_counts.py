"""What a run is said to cost, against what it did: rows, passes and tokens of real runs."""

from dataclasses import replace
from typing import Any

import psutil
import pytest

import analysis
from analysis import costs
from analysis import method as methods
from analysis.catalog.entries import Catalog
from analysis.costs.case import CostCase, case_of
from analysis.loading import load, loaded
from analysis.model import Model
from analysis.runner import model_cache
from analysis.text.cost import Cost
from analysis.workload import Device, Stage, passes

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
DEVICE = Device("cpu", psutil.virtual_memory().total)
QUICK: dict[str, dict[str, Any]] = {
    "reagent": {"probes": 64, "stop_early": False, "draws": 1},
    "cntp": {"max_new_tokens": 16, "with_beam": False, "with_best_of_n": False},
    "local_leap": {"canvas_length": 32, "with_klass": False, "with_factor": False},
}
# Which example of a method, and the stages whose rows depend on what the model writes.
EXAMPLES = [
    ("reagent", 0, ("baselines",)),
    ("reagent", 6, ("probes", "baselines")),
    ("graph_kv", 0, ()),
    ("graph_kv", 3, ()),
    ("information_flow", 0, ()),
    ("information_flow", 2, ("tracing",)),
    ("information_flow", 3, ()),
]
OPEN = [("cntp", 0), ("local_leap", 0), ("seg_similarity", 0)]


def model_of(name: str) -> Model:
    list(load(name, catalog=Catalog(), cache=model_cache()))
    return loaded(Catalog().find(name), model_cache())


def example(stem: str, number: int) -> tuple[CostCase, Model]:
    method = methods.get(stem)
    found = method.examples[number]
    params = method.check({**found.params, **QUICK.get(stem, {})}).model_dump(mode="json")
    entry = Catalog().find(found.model)
    assert entry.path is not None
    case = case_of(entry, params, method.needs, kind=DEVICE.kind, memory=DEVICE.memory)
    return case, model_of(found.model)


def rows_of(stages: list[Stage], bound: str = "rows") -> float:
    found = ((getattr(stage, bound), stage.rows) for stage in stages)
    return sum(rows if own is None else own for own, rows in found)


@pytest.mark.parametrize(("stem", "number", "open_stages"), EXAMPLES)
def test_rows_of_each_stage_are_those_of_the_run(
    stem: str, number: int, open_stages: tuple[str, ...]
) -> None:
    case, model = example(stem, number)
    stages = costs.stages(stem, case)
    before = replace(model.passes)
    events = list(analysis.run(stem, model=model.info.id, params=dict(case.params)))
    (cost,) = (event for event in events if isinstance(event, Cost))
    tokens = model.passes.tokens - before.tokens
    for name in cost.rows.keys() | {stage.name for stage in stages}:
        own = [stage for stage in stages if stage.name == name]
        done = cost.rows.get(name, 0)
        if name in open_stages:
            assert rows_of(own, "least") <= done <= rows_of(own, "most")
        else:
            assert rows_of(own) == done, name
            made = sum(passes(stage, case.model, case.device) for stage in own)
            assert made <= cost.forwards.get(name, 0) <= 2 * made + 8
    if not open_stages:
        assert sum(stage.rows * stage.tokens for stage in stages) == pytest.approx(tokens, rel=0.03)


@pytest.mark.parametrize(("stem", "number"), OPEN)
def test_rows_that_depend_on_the_output_are_within_their_bounds(stem: str, number: int) -> None:
    case, model = example(stem, number)
    stages = list(costs.stages(stem, case))
    before = replace(model.passes)
    list(analysis.run(stem, model=model.info.id, params=dict(case.params)))
    rows = model.passes.rows - before.rows
    tokens = model.passes.tokens - before.tokens
    assert rows_of(stages, "least") <= rows <= rows_of(stages, "most")
    least = sum(s.tokens * (s.rows if s.least is None else s.least) for s in stages)
    most = sum(s.tokens * (s.rows if s.most is None else s.most) for s in stages)
    assert least <= tokens * 1.15
    assert tokens <= most * 1.05


BUDGETS = {"reagent": {"comparison_rows": 40}, "information_flow": {"exact_cuts": 7}}


def budgeted(stem: str) -> tuple[Cost, tuple[Stage, ...]]:
    """What a run within its budget cost, and what it is said to cost."""
    case, model = example(stem, 0)
    params = {**case.params, **BUDGETS[stem]}
    events = analysis.run(stem, model=model.info.id, params=params)
    (cost,) = (event for event in events if isinstance(event, Cost))
    return cost, costs.stages(stem, replace(case, params=params))


def test_cuts_within_a_budget_are_counted() -> None:
    cost, stages = budgeted("information_flow")
    for name, done in cost.rows.items():
        assert rows_of([one for one in stages if one.name == name]) == pytest.approx(done), name


def test_comparisons_within_a_budget_are_counted() -> None:
    cost, stages = budgeted("reagent")
    done = cost.rows.get("baselines", 0) + cost.rows.get("faithfulness", 0)
    (comparisons,) = (one for one in stages if one.name == "faithfulness")
    assert 0 < done <= comparisons.rows == 40


@pytest.mark.parametrize("stem", BUDGETS)
def test_bundled_examples_are_within_the_default_budget(stem: str) -> None:
    (budget,) = BUDGETS[stem]
    for number, given in enumerate(methods.get(stem).examples):
        case, _ = example(stem, number)
        whole = replace(case, params={**case.params, budget: 10**6})
        assert case[budget] == 0, given.name
        assert costs.stages(stem, case) == costs.stages(stem, whole), given.name


@pytest.mark.parametrize("stem", methods.stems())
def test_every_method_says_what_it_costs(stem: str) -> None:
    case, _ = example(stem, 0)
    assert costs.stages(stem, case)
    assert all(change.name in case.params for change in costs.changes(stem))


def test_pictures_are_counted_by_row() -> None:
    case, model = example("information_flow", 6)
    (pictures,) = (s for s in costs.stages("information_flow", case) if s.name == "pictures")
    events = list(analysis.run("information_flow", model=model.info.id, params=dict(case.params)))
    drawn = sum(event.kind == "picture" for event in events)
    assert pictures.least is not None
    assert pictures.least <= drawn * case["steps"] * 2 <= pictures.rows
