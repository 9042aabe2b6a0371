"""Seconds and bytes from stages: hand calculations, monotony, and cheaper variants."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import analysis
from analysis import costs
from analysis.catalog.entries import Catalog, folder_entry
from analysis.costs.case import CostCase, case_of
from analysis.costs.cheaper import ASKS_FROM, Change, cheaper
from analysis.costs.estimate import Estimate, Measured, estimate, measured
from analysis.errors import GlassbenchError, InvalidParams, OutOfMemory, UnknownModel
from analysis.method import get
from analysis.workload import Device, PartSizes, Speed, Stage, operations, seconds

SIZES = PartSizes(parameters=1_000_000, layers=2, heads=4, width=100, vocabulary=1000)
CPU = Device("cpu", 2**34)
SPEED = Speed(operations=1e9, bytes=1e9, calls=1e6)
ONE = measured([1.0], "calibration")
PROMPT = "Felix has the hat. Maria has the key. Question: Who has the key? Answer:"


def case(stem: str = "reagent", model: str = "demo-lm", **params: Any) -> CostCase:
    method = get(stem)
    filled = method.check({"prompt": PROMPT, **params}).model_dump(mode="json")
    return case_of(Catalog().find(model), filled, method.needs, kind="cpu", memory=2**34)


def took(found: CostCase, stem: str = "reagent", speed: Speed = SPEED) -> Estimate:
    stages = costs.stages(stem, found)
    return estimate(
        stages, found.model, found.device, speed, run=ONE, loading=None, tokens=found.tokens
    )


def test_operations_of_a_row_are_those_of_its_products() -> None:
    body = 1_000_000 - 1000 * 100
    expected = 2 * body * 10 + 4 * 2 * 100 * 10 * 10 + 2 * 1000 * 100 * 3
    assert operations(SIZES, 10, kept=3) == expected


def test_a_stage_takes_the_sum_of_its_parts() -> None:
    stage = Stage(name="a", rows=5, tokens=10, kept=0, forwards=2)
    work = 5 * operations(SIZES, 10) / 1e9
    assert seconds(stage, SIZES, CPU, SPEED) == pytest.approx(
        work + 2 * 4e6 / 1e9 + 2 * 60 * 2 / 1e6
    )
    with_gradient = replace(stage, backward=True)
    assert seconds(with_gradient, SIZES, CPU, SPEED) == pytest.approx(
        3 * seconds(stage, SIZES, CPU, SPEED)
    )


@pytest.mark.parametrize(
    "more", [{"probes": 4096}, {"draws": 50}, {"prompt": PROMPT * 3}, {"max_new_tokens": 64}]
)
def test_more_work_takes_longer(more: dict[str, Any]) -> None:
    assert took(case(**more)).seconds > took(case()).seconds
    assert took(case(**more)).memory >= took(case()).memory


def test_loading_is_named_and_included() -> None:
    found = case()
    given = (costs.stages("reagent", found), found.model, found.device, SPEED)
    cold = estimate(*given, run=ONE, loading=ONE, tokens=1)
    warm = estimate(*given, run=ONE, loading=None, tokens=1)
    assert warm.loading == 0
    assert cold.loading > 0
    assert cold.seconds == pytest.approx(warm.seconds + cold.loading)
    assert cold.low <= cold.seconds <= cold.high


def test_the_ratio_is_the_median_and_a_disturbed_run_does_not_move_it() -> None:
    assert measured([1.9, 2.0, 2.1, 50.0, 2.0], "method").factor == pytest.approx(2.0)
    assert measured([2.0], "method").spread == 1.5
    assert measured([2.0] * 5, "method").spread == 1.25
    wide = measured([1.0, 2.0, 4.0, 8.0], "method")
    assert wide.spread == 5.0


def test_a_cheaper_variant_takes_at_most_half_as_long() -> None:
    slow = Speed(1e7, 1e7, 1e4)
    found = case()
    whole = took(found, speed=slow)
    assert whole.seconds > ASKS_FROM
    variant = cheaper(
        costs.changes("reagent"), found, lambda changed: took(changed, speed=slow), whole
    )
    assert variant
    params, lacks, less = variant
    assert params["faithfulness"] is False
    assert lacks[0] == "no faithfulness curves and soft scores"
    assert less.seconds <= whole.seconds / 2
    assert get("reagent").check(params)


def test_a_short_run_has_no_cheaper_variant() -> None:
    found = case()
    fast = Speed(1e12, 1e12, 1e9)
    whole = took(found, speed=fast)
    assert cheaper(costs.changes("reagent"), found, took, whole) is None


@pytest.mark.parametrize(
    ("change", "now", "then"),
    [
        (Change("probes", 128, ""), 512, 128),
        (Change("probes", 128, ""), 64, None),
        (Change("baselines", value=False, lacks=""), True, False),
        (Change("baselines", value=False, lacks=""), False, None),
        (Change("grouping", "sentence", ""), "word", "sentence"),
    ],
)
def test_a_change_only_lowers(change: Change, now: Any, then: Any) -> None:
    changed = change.applied({change.name: now})
    assert (changed and changed[change.name]) == then


def test_python_tells_seconds_and_bytes_without_loading() -> None:
    found = analysis.estimate("reagent", model="demo-lm", params={"prompt": PROMPT})
    assert 0 < found.low <= found.seconds <= found.high
    assert found.memory > 4 * 1_000_000
    assert found.basis == "calibration"
    assert found.tokens == case().prompt_tokens


@pytest.mark.parametrize(
    ("model", "params", "error"),
    [
        ("demo-lm", {"prompt": PROMPT, "probes": 1}, InvalidParams),
        ("no model", {"prompt": PROMPT}, UnknownModel),
        ("owner/never-downloaded", {"prompt": PROMPT}, GlassbenchError),
    ],
)
def test_an_estimate_refuses_what_a_run_refuses(
    model: str, params: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        analysis.estimate("reagent", model=model, params=params)


def test_what_cannot_fit_is_refused_before_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.model.memory.device_bytes", lambda: 2**20)
    monkeypatch.setattr("analysis.runner._load", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(OutOfMemory, match=r"needs .* GiB beside the weights") as caught:
        list(analysis.run("reagent", model="demo-lm", params={"prompt": PROMPT * 50}))
    assert "Shorten the text" in caught.value.remedy


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "", "🙂" * 50])
def test_odd_texts_are_counted(text: str) -> None:
    found = replace(case(), params={**case().params, "prompt": text})
    assert costs.stages("reagent", found)


def test_a_model_without_tokenizer_json_is_counted_by_characters(tmp_path: Path) -> None:
    demo = Catalog().find("demo-lm").path
    assert demo
    for name in ("config.json", "model.safetensors"):
        shutil.copy(demo / name, tmp_path)
    (tmp_path / "tokenizer.model").touch()
    filled = get("information_flow").check({"prompt": "ab cd " * 70}).model_dump(mode="json")
    entry, needs = folder_entry(tmp_path), ("causal_lm",)
    found = case_of(entry, filled, needs, kind="cpu", memory=2**34)
    assert 100 <= found.prompt_tokens <= 140
    assert costs.stages("information_flow", found)


def test_costs_are_told_without_torch() -> None:
    code = (
        "import sys; from analysis import costs; "
        "[costs._module(stem) for stem in costs.known()]; "
        "from analysis.costs import case, estimate; "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_estimate_of_two_measurements_says_what_it_rests_on() -> None:
    found = case()
    own = Measured(2.0, 1.5, "method")
    stages = costs.stages("reagent", found)
    double = estimate(stages, found.model, found.device, SPEED, run=own, loading=None, tokens=1)
    assert double.seconds == pytest.approx(2 * took(found).seconds)
    assert double.low == pytest.approx(double.seconds / 1.5)
