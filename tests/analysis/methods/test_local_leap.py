"""LocalLeap and its neighbours against their definitions, on plain forward passes."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import analysis
from analysis import method as methods
from analysis.catalog.entries import BUNDLED
from analysis.decoding import random_streams
from analysis.decoding import trace as traces
from analysis.decoding.events import CanvasStep
from analysis.decoding.trace import DecoderTrace, TraceFile
from analysis.errors import (
    GlassbenchError,
    InvalidParams,
    ModelIncompatible,
    PromptTooLong,
    SpecialTokenInText,
)
from analysis.events import Event, Progress
from analysis.methods import local_leap
from analysis.methods.local_leap import DECODERS, EXAMPLES
from analysis.model import Model, masked_diffusion
from analysis.run_context import RunContext
from tests import tiny_models
from tests.load_folder import load_trusted

MAKERS = {
    "bert": tiny_models.make_bert,
    "modernbert": tiny_models.make_modernbert,
    "llada": tiny_models.make_llada,
    "dream": tiny_models.make_dream,
}
ALONE = {f"with_{name}": False for name in DECODERS}
# The tiny models are not sure of anything: thresholds that they reach now and then.
SHORT = {
    "prompt": "Anna has the ball.", "canvas_length": 24, "block": 12, "kappa": 0.1, "tau": 0.06,
    "width": 2, "threshold": 0.08, "factor": 3.0, "entropy_bound": 9.0, "klass_confidence": 0.06,
    "klass_divergence": 0.05, **ALONE,
}  # fmt: skip

Fill = Callable[..., list[Event]]


@pytest.fixture(scope="module", params=MAKERS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    root = tmp_path_factory.mktemp("diffusion")
    loaded: Model = load_trusted(MAKERS[request.param](root / request.param))
    return loaded


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Model:
    loaded: Model = load_trusted(tiny_models.make_bert(tmp_path_factory.mktemp("m") / "bert"))
    return loaded


def fill(model: Model, **params: Any) -> list[Event]:
    checked = methods.get("local_leap").check({**SHORT, **params})
    return list(local_leap.run(model, checked, RunContext()))  # type: ignore[arg-type]


def read(events: list[Event]) -> TraceFile:
    return traces.load(traces.dump(events))


def filled(model: Model, **params: Any) -> DecoderTrace:
    return read(fill(model, **params)).traces[0]


def steps(trace: DecoderTrace) -> list[CanvasStep]:
    found = [step for step in trace.steps if isinstance(step, CanvasStep)]
    assert len(found) == len(trace.steps)
    return found


class Plain:
    """Distributions at canvas positions from whole forward passes, float64, `never` left out."""

    def __init__(self, model: Model, prompt: list[int], never: list[int]) -> None:
        self.model, self.prompt, self.never = model, prompt, never
        self.shift = int(model.info.architecture == "DreamModel")

    @torch.inference_mode()
    def logits(self, canvas: np.ndarray, positions: list[int]) -> np.ndarray:
        ids = torch.tensor([[*self.prompt, *canvas]])
        rows = [len(self.prompt) + at - self.shift for at in positions]
        found: np.ndarray = self.model.plain(input_ids=ids).logits[0, rows].double().numpy()
        found[:, self.never] = -np.inf
        return found


def never_written(model: Model, trace: DecoderTrace) -> list[int]:
    """Special tokens that end no text, where the run does not let them be written."""
    written = trace.start.settings["write_special"]
    special = {*model.tokenizer.all_special_ids, *model.tokenizer.added_tokens_decoder}
    return [] if written else sorted(special - set(trace.start.eos_ids))


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(-1, keepdims=True))
    result: np.ndarray = e / e.sum(-1, keepdims=True)
    return result


def entropy(p: np.ndarray) -> np.ndarray:
    result: np.ndarray = -(p * np.log(np.where(p > 0, p, 1))).sum(-1)
    return result


def replay(model: Model, file: TraceFile, number: int = 0):  # type: ignore[no-untyped-def]
    """Each step with its logits, recomputed on the canvas that its predecessors left."""
    trace = file.traces[number]
    mask_id = trace.start.mask_id
    assert mask_id is not None
    plain = Plain(model, file.prompt_ids, [mask_id, *never_written(model, trace)])
    canvas = np.full(trace.start.length, mask_id)
    block = trace.start.block or 0
    for step in steps(trace):
        first = step.block * block
        masked = [at for at in range(first, first + block) if canvas[at] == mask_id]
        assert (canvas[:first] != mask_id).all()
        assert step.positions == masked
        yield step, plain.logits(canvas, masked)
        for commit in step.commits:
            assert canvas[commit.position] == mask_id
            canvas[commit.position] = commit.id
    assert canvas.tolist() == trace.ids


def assert_seen(step: CanvasStep, logits: np.ndarray) -> np.ndarray:
    """The stored columns against recomputed ones; returns the confidences."""
    p = softmax(logits)
    assert step.ids == logits.argmax(-1).tolist()
    np.testing.assert_allclose(step.confidences, p.max(-1), atol=1e-5)
    np.testing.assert_allclose(step.entropies, entropy(p), atol=1e-5)
    ordered = np.sort(p, -1)[:, ::-1]
    np.testing.assert_allclose(step.gaps, ordered[:, 0] - ordered[:, 1], atol=1e-5)
    shown = [[one.probability for one in row] for row in step.alternatives]
    np.testing.assert_allclose(shown, ordered[:, :3], atol=1e-5)
    confidences: np.ndarray = p.max(-1)
    return confidences


def reasons(step: CanvasStep) -> dict[int, str]:
    return {commit.position: commit.reason for commit in step.commits}


def expected_leap(
    positions: list[int], c: np.ndarray, kappa: float, tau: float, width: int
) -> dict[int, str]:
    """Position by position, as the definition reads."""
    sure = dict(zip(positions, c.tolist(), strict=True))
    anchors = [at for at in positions if sure[at] >= kappa]
    found = dict.fromkeys(anchors, "anchor")
    for at in positions:
        near = any(abs(at - anchor) <= width for anchor in anchors)
        if at not in found and near and sure[at] >= tau:
            found[at] = "leap"
    return found or {max(positions, key=lambda at: sure[at]): "fallback"}


def test_every_step_of_local_leap_is_recomputed(model: Model) -> None:
    file = read(fill(model))
    for step, logits in replay(model, file):
        c = assert_seen(step, logits)
        expected = expected_leap(step.positions, c, 0.1, 0.06, 2)
        assert reasons(step) == expected
        anchors = [at for at, reason in expected.items() if reason == "anchor"]
        assert step.anchors == sorted(anchors)
        inside = {at for low, high in step.neighbourhood for at in range(low, high + 1)}
        first = step.block * 12
        block = range(first, first + 12)
        assert inside == {at for at in block if any(abs(at - a) <= 2 for a in anchors)}
        missed = {at for at in step.positions if at in inside} - set(expected)
        assert set(step.near_misses) == missed
        for commit in step.commits:
            if commit.reason == "leap":
                assert commit.anchor in anchors
                assert commit.distance == min(abs(commit.position - a) for a in anchors)
                assert commit.threshold == 0.06


def test_anchors_and_leaps_happen(bert: Model) -> None:
    said = {reason for step in steps(filled(bert)) for reason in reasons(step).values()}
    assert said == {"anchor", "leap", "fallback"}


def expected_by_rule(
    decoder: str, positions: list[int], p: np.ndarray, stable: dict[int, int]
) -> set[int]:
    c, h = p.max(-1), entropy(p)
    order = sorted(range(len(c)), key=lambda i: -c[i])
    if decoder == "vanilla":
        chosen = order[:1]
    elif decoder == "fixed":
        chosen = order[:3]
    elif decoder == "threshold":
        chosen = [i for i in order if c[i] >= 0.08]
    elif decoder == "factor":
        sizes = [n for n in range(1, len(c) + 1) if (n + 1) * (1 - c[order[n - 1]]) < 3.0]
        chosen = order[: max(sizes, default=0)]
    elif decoder == "entropy_bound":
        by_entropy = sorted(range(len(h)), key=lambda i: h[i])
        sizes = [
            n for n in range(1, len(h) + 1)
            if sum(h[i] for i in by_entropy[:n]) - max(h[i] for i in by_entropy[:n]) <= 9.0
        ]  # fmt: skip
        chosen = by_entropy[: max(sizes)]
    else:
        chosen = [i for i in order if c[i] >= 0.06 and stable.get(positions[i], 0) >= 2]
    return {positions[i] for i in chosen or order[:1]}


@pytest.mark.parametrize(
    "decoder", ["vanilla", "fixed", "threshold", "factor", "entropy_bound", "klass"]
)
def test_every_step_of_the_others_is_recomputed(model: Model, decoder: str) -> None:
    file = read(fill(model, decoder=decoder, fixed_k=3))
    before: dict[int, np.ndarray] = {}
    stable: dict[int, int] = {}
    several = 0
    for step, logits in replay(model, file):
        assert_seen(step, logits)
        p = softmax(logits)
        for row, at in enumerate(step.positions):
            if at in before:
                some = p[row] > 0
                ratio = np.log(p[row, some] / before[at][some])
                close = float((p[row, some] * ratio).sum()) < 0.05
                stable[at] = stable.get(at, 0) + 1 if close else 0
            before[at] = p[row]
        expected = expected_by_rule(decoder, step.positions, p, stable)
        assert set(reasons(step)) == expected
        several += len(expected) > 1
    assert bool(several) == (decoder != "vanilla")


def trail(trace: DecoderTrace) -> list[set[tuple[int, int]]]:
    return [{(commit.position, commit.id) for commit in step.commits} for step in steps(trace)]


@pytest.mark.parametrize("least", [0.06, 0.08, 0.12])
def test_without_width_it_is_the_threshold_decoder(model: Model, least: float) -> None:
    leap = filled(model, kappa=least, tau=0.01, width=0)
    assert trail(leap) == trail(filled(model, decoder="threshold", threshold=least))


def test_with_all_width_it_is_threshold_tau_on_steps_with_an_anchor(model: Model) -> None:
    anchored = 0
    for step in steps(filled(model, width=24)):
        sure = {at for at, c in zip(step.positions, step.confidences, strict=True) if c >= 0.06}
        if step.anchors:
            anchored += 1
            assert set(reasons(step)) == sure
    assert anchored


@pytest.mark.skipif(not (BUNDLED / "demo-diffusion").is_dir(), reason="is not bundled yet")
@pytest.mark.parametrize("decoder", ["vanilla", "fixed", "threshold", "local_leap", "klass"])
def test_the_order_among_sure_positions_is_the_model_s(decoder: str) -> None:
    """Confidences that are all 1 in float32, ranked by a float64 loop over plain logits."""
    demo = load_trusted(BUNDLED / "demo-diffusion")
    settings = {"kappa": 1.0, "threshold": 1.0, "klass_confidence": 1.0}
    prompt = EXAMPLES[0].params["prompt"]
    canvas = {"canvas_length": 64, "block": 32, "prompt": prompt}
    file = read(fill(demo, decoder=decoder, **settings, **canvas))
    taken = 2 if decoder == "fixed" else 1
    tied = 0
    for step, logits in replay(demo, file):
        wide = logits.astype(np.float64)
        others = []
        for row in wide:
            e = np.exp(row - row.max())
            rest = np.delete(e, row.argmax()).sum()
            others.append(float(np.log(rest / e.sum())))
        np.testing.assert_allclose(step.doubts, others, atol=1e-5)
        order = np.argsort(others, kind="stable")[:taken]
        assert set(reasons(step)) == {step.positions[at] for at in order}
        single = softmax(logits.astype(np.float32)).max(-1)
        tied += int((single == single.max()).sum() > 1)
    assert len(file.traces[0].steps) == 64 // taken
    assert tied > 10 // taken


def test_old_traces_without_doubts_still_open(bert: Model) -> None:
    document = json.loads(traces.dump(fill(bert)))
    for event in document["events"]:
        event.pop("doubts", None)
    step = steps(traces.load(json.dumps(document)).traces[0])[0]
    assert step.doubts is None


def test_a_threshold_of_one_is_the_order_of_vanilla(model: Model) -> None:
    vanilla = trail(filled(model, decoder="vanilla"))
    assert trail(filled(model, decoder="threshold", threshold=1.0)) == vanilla
    assert trail(filled(model, kappa=1.0, tau=0.06)) == vanilla
    assert len(vanilla) == 24


def test_gumbel_draws_come_from_the_stream_of_seed_step_and_position(bert: Model) -> None:
    file = read(fill(bert, temperature=0.7, seed=5))
    differs = 0
    for step, logits in replay(bert, file):
        noise = random_streams.gumbels(5, step.index, step.positions, logits.shape[1]).numpy()
        expected = (logits + 0.7 * noise).argmax(-1)
        assert step.ids == expected.tolist()
        p = softmax(logits)
        np.testing.assert_allclose(
            step.confidences, p[np.arange(len(expected)), expected], atol=1e-5
        )
        differs += step.ids != logits.argmax(-1).tolist()
    assert differs


def test_delays_are_those_of_the_vanilla_steps(bert: Model) -> None:
    trace = filled(bert, decoder="vanilla")
    assert trace.delays is not None
    looks: dict[int, list[int]] = {}
    sightings: dict[tuple[float, int | None], list[bool]] = {}
    for step in steps(trace):
        for at, token in zip(step.positions, step.ids, strict=True):
            looks.setdefault(at, []).append(token)
    for found in trace.delays.positions:
        seen = looks[found.position]
        final = trace.ids[found.position]
        assert found.committed == len(seen)
        assert all(token == final for token in seen[found.stable - 1 :])
        assert found.stable == 1 or seen[found.stable - 2] != final
    waits = [found.committed - found.stable for found in trace.delays.positions]
    total = sum(found.committed for found in trace.delays.positions)
    assert trace.delays.redundancy.share == pytest.approx(sum(waits) / total, abs=1e-6)
    for step in steps(trace):
        anchors = [a for a, c in zip(step.positions, step.confidences, strict=True) if c >= 0.1]
        for at, token, c in zip(step.positions, step.ids, step.confidences, strict=True):
            distance = min((abs(at - a) for a in anchors), default=None)
            key = (0.0 if c < 0.3 else 1.0, None if distance is None else min(distance, 8))
            sightings.setdefault(key, []).append(token == trace.ids[at])
    low = {row.distance: row for row in trace.delays.table if row.confidence == [0.0, 0.3]}
    for (bucket, distance), matches in sightings.items():
        if bucket == 0.0:
            assert (low[distance].looks, low[distance].consistent) == (len(matches), sum(matches))
    assert sum(row.looks for row in trace.delays.table) == total


@pytest.mark.skipif(not (BUNDLED / "demo-diffusion").is_dir(), reason="is not bundled yet")
def test_the_proposal_counts_the_looks_of_the_run() -> None:
    demo = load_trusted(BUNDLED / "demo-diffusion")
    canvas = {"canvas_length": 64, "block": 32, "kappa": 0.9, "tau": 0.75}
    params = {**EXAMPLES[1].params, **canvas}
    trace = read(fill(demo, **params)).traces[0]
    assert trace.delays is not None
    found = trace.delays.proposal
    assert found is not None
    early, anchors, eos = [], [], trace.start.eos_ids
    for step in steps(trace):
        sure = [c >= found.kappa for c in step.confidences]
        for at, token, c in zip(step.positions, step.ids, step.confidences, strict=True):
            away = [abs(at - a) for a, is_one in zip(step.positions, sure, strict=True) if is_one]
            if trace.ids[at] in eos or not away:
                continue
            final = token == trace.ids[at]
            if min(away) == 0:
                anchors.append(final)
            elif min(away) <= found.width and c >= found.tau:
                early.append((at, final))
    assert (found.verdict, found.kappa) == ("proposed", 0.99)
    assert found.looks == len(early) >= 30
    assert found.consistent == sum(final for _, final in early)
    assert found.positions == len({at for at, _ in early})
    assert (found.anchors, found.anchors_consistent) == (len(anchors), sum(anchors))
    own = {"kappa": found.kappa, "tau": found.tau, "width": found.width}
    again = read(fill(demo, **{**params, **own, "decoder": "local_leap"})).traces[0]
    assert again.ids == trace.ids
    assert len(again.steps) < len(trace.steps) / 4


def test_the_rest_is_filled_after_an_end_of_text(bert: Model) -> None:
    adapter = masked_diffusion.adapter_for(bert)
    assert adapter.eos_id is not None
    forced = [{"step": 0, "position": 3, "token": adapter.eos_id}]
    trace = filled(bert, forced=forced, eos_fill=True)
    assert trace.ids[12:] == [adapter.eos_id] * 12
    last = steps(trace)[-1]
    filled_up = {commit.position for commit in last.commits if commit.reason == "eos_fill"}
    assert filled_up == set(range(12, 24))
    assert all(step.block == 0 for step in steps(trace))
    without = filled(bert, forced=forced)
    assert {step.block for step in steps(without)} == {0, 1}


@pytest.mark.parametrize("decoder", ["local_leap", "vanilla", "klass"])
def test_a_branch_with_what_was_there_is_the_identity(bert: Model, decoder: str) -> None:
    plain = filled(bert, decoder=decoder)
    for step in steps(plain):
        for commit in step.commits:
            forced = [{"step": step.index, "position": commit.position, "token": commit.id}]
            branch = filled(bert, decoder=decoder, forced=forced)
            assert branch.ids == plain.ids
            assert [reasons(one) for one in steps(branch)] == [reasons(one) for one in steps(plain)]


def test_the_same_token_a_step_too_early_is_a_decision(bert: Model) -> None:
    plain = filled(bert)
    first, later = steps(plain)[0], steps(plain)[1].commits[0]
    forced = [{"step": 0, "position": later.position, "token": later.id}]
    branch = steps(filled(bert, forced=forced))[0]
    assert reasons(branch)[later.position] == "forced"
    assert later.position not in reasons(first)


@pytest.mark.parametrize("length", [1, 5, 16, 32])
def test_a_short_canvas_is_one_block(bert: Model, length: int) -> None:
    given = {name: value for name, value in SHORT.items() if name != "block"}
    checked = methods.get("local_leap").check({**given, "canvas_length": length})
    trace = read(list(local_leap.run(bert, checked, RunContext()))).traces[0]  # type: ignore[arg-type]
    assert trace.start.block == len(trace.ids) == length
    assert {step.block for step in steps(trace)} == {0}


def test_special_tokens_are_written_only_where_asked(bert: Model) -> None:
    """Against all odds: the model would write nothing but its padding token."""
    pad = bert.tokenizer.pad_token_id
    bias = bert.plain.get_output_embeddings().bias
    with torch.no_grad():
        before = float(bias[pad])
        bias[pad] = 50.0
    try:
        kept, asked = filled(bert), filled(bert, write_special=True)
    finally:
        bias.data[pad] = before
    assert asked.ids == [pad] * 24
    assert not set(kept.ids) & set(never_written(bert, kept))
    sure = [one for step in steps(kept) for row in step.alternatives for one in row]
    assert pad not in {one.id for one in sure}


def test_a_branch_goes_on_from_the_forced_commit(bert: Model) -> None:
    plain = filled(bert)
    step = steps(plain)[2]
    at = next(p for p in step.positions if p not in reasons(step))
    file = read(fill(bert, forced=[{"step": 2, "position": at, "token": 50}]))
    branch = file.traces[0]
    assert trail(branch)[:2] == trail(plain)[:2]
    assert reasons(steps(branch)[2])[at] == "forced"
    assert branch.ids[at] == 50
    for later, logits in list(replay(bert, file))[3:]:
        c = assert_seen(later, logits)
        assert reasons(later) == expected_leap(later.positions, c, 0.1, 0.06, 2)


def test_all_decoders_stand_beside_each_other(bert: Model) -> None:
    events = fill(bert, **dict.fromkeys(ALONE, True))
    file = read(events)
    assert [trace.start.decoder for trace in file.traces.values()] == list(DECODERS)
    assert [trace.start.main for trace in file.traces.values()] == [True] + [False] * 6
    assert all(len(trace.ids) == 24 for trace in file.traces.values())
    assert any(isinstance(event, Progress) for event in events)
    vanilla = file.traces[DECODERS.index("vanilla")]
    assert vanilla.delays is not None
    assert vanilla.end is not None
    assert vanilla.end.cost.main_forwards == 24


def test_the_largest_event_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step with 128 masked positions, whose tokens' texts are long."""
    model = load_trusted(tiny_models.make_modernbert(tmp_path / "wide"))
    model = replace(model, info=model.info.model_copy(update={"context": 1000}))
    monkeypatch.setattr(model.tokenizer, "decode", lambda ids, **_: "x" * 30 * len(ids))
    events = fill(model, canvas_length=128, block=128, kappa=0.01, tau=0.01, width=100)
    sizes = [len(json.dumps(e.model_dump(mode="json"))) for e in events if e.kind == "canvas"]  # type: ignore[attr-defined]
    assert 20_000 < max(sizes) < 64 * 2**10


@pytest.mark.parametrize("mode", ["prefix", "dual"])
def test_a_cache_is_labelled_and_exact_at_each_block_s_first_step(model: Model, mode: str) -> None:
    if model.info.architecture in ("LLaDAModelLM", "DreamModel"):
        with pytest.raises(ModelIncompatible, match="cannot be cached") as refusal:
            fill(model, cache=mode)
        assert "none" in refusal.value.remedy
        return
    file = read(fill(model, cache=mode))
    assert file.traces[0].start.approximation
    firsts = [s.index for s in steps(file.traces[0]) if len(s.positions) == 12]
    apart = []
    for step, logits in replay(model, file):
        assert step.cached == (step.index not in firsts)
        if step.cached:
            apart.append(np.abs(np.array(step.confidences) - softmax(logits).max(-1)).max())
        else:
            assert_seen(step, logits)
    assert 0 < max(apart) < 0.2


REFUSED: list[tuple[dict[str, Any], type[GlassbenchError], str]] = [
    ({"canvas_length": 20}, InvalidParams, "not a multiple of block"),
    ({"tau": 0.5}, InvalidParams, "tau is 0.5 and kappa is 0.1"),
    ({"kappa": 1.5}, InvalidParams, "less than or equal to 1"),
    ({"block": 129}, InvalidParams, "less than or equal to 128"),
    ({"canvas_length": 516}, InvalidParams, "less than or equal to 512"),
    ({"canvas_length": 120}, PromptTooLong, "context is 64"),
    ({"prompt": "Anna <mask> the ball."}, SpecialTokenInText, "<mask>"),
    (
        {"prompt": "Anna <mask> the ball.", "special_tokens": "token"},
        SpecialTokenInText,
        "the mask token",
    ),
    ({"forced": [{"step": 0, "position": 13, "token": 5}]}, InvalidParams, "not a masked position"),
    ({"forced": [{"step": 99, "position": 3, "token": 5}]}, InvalidParams, "was full after"),
    ({"forced": [{"step": 0, "position": 3, "token": 3}]}, InvalidParams, "without its mask"),
    ({"forced": [{"step": 0, "position": 3, "token": 9999}]}, InvalidParams, "token 9999"),
    ({"forced": [{"step": n, "position": 3, "token": 5} for n in (0, 1)]}, InvalidParams, "once"),
    ({"answer_pattern": "["}, InvalidParams, "not a regular expression"),
]


@pytest.mark.parametrize(("params", "error", "says"), REFUSED)
def test_bad_input_is_refused_with_value_limit_and_remedy(
    bert: Model, params: dict[str, Any], error: type[GlassbenchError], says: str
) -> None:
    with pytest.raises(error) as refusal:
        fill(bert, **params)
    assert says in f"{refusal.value.message} {refusal.value.remedy}"
    assert refusal.value.remedy


def test_a_model_without_mask_token_is_refused(tmp_path: Path) -> None:
    model = load_trusted(tiny_models.make_llama(tmp_path / "llama"))
    with pytest.raises(ModelIncompatible, match="mask token"):
        fill(model)


@pytest.mark.skipif(not (BUNDLED / "demo-diffusion").is_dir(), reason="is not bundled yet")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_examples_run(example: Any) -> None:
    events = list(analysis.run("local_leap", model=example.model, params=example.params))
    assert len(read(events).traces) >= 2
