"""Durations in the database, and the estimates that follow from them."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from analysis.costs.case import case_of, loaded_name
from analysis.events import Event, ModelInfo, ModelLoaded
from analysis.workload import Device, Speed
from tests.workbench.conftest import PARAMS, Step
from workbench.catalog.selectors import catalog
from workbench.estimates.models import DeviceSpeed, Duration
from workbench.estimates.selectors import Place, place_now, rates_of, run_estimate
from workbench.estimates.services import KEPT, device_record, duration_record
from workbench.estimates.text import memory_text, seconds_text
from workbench.runs import flags
from workbench.runs.models import Run
from workbench.worker.life import state
from workbench.worker.tasks import run_execute

pytestmark = pytest.mark.django_db
SPEED = Speed(1e9, 1e9, 1e5)
HERE = Place("gpu", "cpu", 2**34, SPEED)
ASKED = {"method": "reagent", "model": "toy", "params": PARAMS}


@pytest.fixture
def device(db: None) -> str:
    device_record(name="gpu", device=Device("cpu", 2**34), speed=SPEED)
    return "gpu"


def record(ratio: float, **changes: str) -> None:
    key = {
        "device": "gpu",
        "model": "toy",
        "revision": catalog().find("toy").revision or "",
        "dtype": "float32",
    }
    duration_record(**{**key, "method": "reagent", **changes}, ratio=ratio)


def basis_of(method: str = "reagent", model: str = "toy") -> tuple[str, float]:
    entry = catalog().find(model)
    case = case_of(entry, {}, ("causal_lm",), kind="cpu", memory=2**34)
    run, _ = rates_of(HERE, case, entry=entry, method=method)
    return run.basis, round(run.factor, 9)


def ask(client: Client, **changes: Any) -> Any:
    body = json.dumps({**ASKED, **changes})
    return client.post("/api/estimates", body, content_type="application/json")


def test_the_nearest_measurement_counts() -> None:
    assert basis_of() == ("calibration", 1.0)
    record(3.0, model="other")
    assert basis_of() == ("device", 3.0)
    record(6.0, method="cntp")
    assert basis_of()[0] == "model"
    record(2.0)
    assert basis_of() == ("method", 2.0)


def test_another_method_of_the_model_is_scaled_by_what_methods_usually_take() -> None:
    for model in ("a", "b", "c"):
        record(1.0, model=model)
        record(4.0, model=model, method="cntp")
    record(8.0, method="cntp")  # twice the usual on this model
    basis, factor = basis_of()
    assert basis == "model"
    assert factor == pytest.approx(2.0)


def test_old_durations_of_equal_runs_are_dropped() -> None:
    for _ in range(KEPT + 5):
        record(2.0)
    record(3.0, method="cntp")
    assert Duration.objects.filter(method="reagent").count() == KEPT
    assert Duration.objects.filter(method="cntp").count() == 1


@pytest.mark.parametrize("ratio", [0.0, 1e-9, 1e6, float("inf")])
def test_a_disturbed_duration_is_not_stored(ratio: float) -> None:
    record(ratio)
    assert not Duration.objects.exists()


def test_a_device_is_measured_again(device: str) -> None:
    device_record(name="gpu", device=Device("cpu", 2**34), speed=Speed(2e9, 1e9, 1e5))
    assert DeviceSpeed.objects.get().operations == 2e9


def test_a_worker_that_holds_the_model_is_chosen(device: str) -> None:
    device_record(name="other", device=Device("cpu", 2**34), speed=SPEED)
    for worker, name, models in (("w1", "other", []), ("w2", "gpu", ["toy@r float32"])):
        told = {"run": None, "device_name": name, "models": models}
        flags.worker_announce(worker=worker, state=told)
    assert place_now(model="toy@r ").name == "gpu"
    assert place_now(model="never").name in ("gpu", "other")


def test_an_estimate_over_http(device: str, anna_client: Client) -> None:
    found = ask(anna_client).json()
    cost = found["cost"]
    assert 0 < cost["low"] <= cost["seconds"] <= cost["high"]
    assert cost["memory"] > 0
    assert cost["tokens"] > 0
    assert cost["stages"][0]["name"] == "output"
    assert (found["basis"], found["device"], found["warm"]) == ("calibration", "gpu", False)
    assert found["available"] == 2**34
    assert cost["loading"] > 0
    assert not Run.objects.exists()


def test_a_warm_model_needs_no_loading(device: str, anna_client: Client) -> None:
    models = [loaded_name("toy", catalog().find("toy").revision or "", "float32")]
    told = {"run": None, "device_name": "gpu", "models": models}
    flags.worker_announce(worker="w", state=told)
    found = ask(anna_client).json()
    assert found["warm"] is True
    assert found["cost"]["loading"] == 0


def test_without_any_worker_an_ordinary_device_is_assumed(anna_client: Client) -> None:
    found = ask(anna_client).json()
    assert (found["basis"], found["device"], found["available"]) == ("none", "", None)
    assert found["cost"]["seconds"] > 0


def test_of_a_model_that_is_not_here_nothing_is_known(anna_client: Client) -> None:
    found = ask(anna_client, model="owner/never-downloaded").json()
    assert found["cost"] is None


def test_a_long_run_has_a_cheaper_variant(anna_client: Client) -> None:
    slow = Speed(1e5, 1e5, 1e3)
    device_record(name="slow", device=Device("cpu", 2**34), speed=slow)
    found = ask(anna_client).json()
    cheaper = found["cheaper"]
    assert found["cost"]["seconds"] > 600
    assert cheaper["cost"]["seconds"] < found["cost"]["seconds"] / 2
    assert cheaper["params"]["faithfulness"] is False
    assert cheaper["lacks"]
    assert ask(anna_client, params=cheaper["params"]).status_code == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": "none"}, "unknown_method"),
        ({"model": "no model"}, "unknown_model"),
        ({"model": "masked"}, "model_incompatible"),
        ({"params": {**PARAMS, "probes": 0}}, "invalid_params"),
        ({"params": {}}, "invalid_params"),
        ({"session": str(uuid.uuid4())}, "session_not_found"),
    ],
)
def test_what_a_run_refuses_is_refused(
    anna_client: Client, changes: dict[str, Any], code: str
) -> None:
    assert ask(anna_client, **changes).json()["code"] == code


def test_a_run_says_what_it_was_expected_to_take(
    device: str, make_run: Callable[..., Run], anna_client: Client
) -> None:
    run = make_run()
    told = anna_client.get(f"/api/runs/{run.id}").json()["expected"]
    found = run_estimate(
        method="reagent", entry=catalog().find("toy"), params=run.params, needs=["causal_lm"]
    )
    assert found
    assert told["seconds"] == pytest.approx(found.found.seconds)
    assert told["low"] <= told["seconds"] <= told["high"]


def info_of(run: Run) -> ModelInfo:
    return ModelInfo(
        id="toy", revision=run.revision, architecture="LlamaForCausalLM", parameters=32, layers=2,
        heads=4, key_value_heads=2, width=32, context=96, vocabulary=320, dtype="float32",
        device="cpu", capabilities=["causal_lm"], weights="raw",
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_a_finished_run_is_remembered_and_a_failed_one_is_not(
    device: str, make_run: Callable[..., Run], use_method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "device_name", device)
    monkeypatch.setattr(state, "models", ())

    def work(run: Run) -> Iterator[Event]:
        yield ModelLoaded(info=info_of(run))
        yield Step(number=0)

    def fail(run: Run) -> Iterator[Event]:
        yield ModelLoaded(info=info_of(run))
        raise RuntimeError("no")

    use_method(work)
    run = make_run()
    run_execute(str(run.id))
    kept = {row.method for row in Duration.objects.all()}
    assert "reagent" in kept
    before = Duration.objects.count()
    use_method(fail)
    run_execute(str(make_run().id))
    assert Duration.objects.count() == before


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "under 1 s"), (40, "40 s"), (3000, "50 min"), (9000, "2 h")]
)
def test_seconds_in_words(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(("size", "text"), [(2**20 * 30, "30 MiB"), (2**31 + 2**28, "2.2 GiB")])
def test_bytes_in_words(size: int, text: str) -> None:
    assert memory_text(size) == text
