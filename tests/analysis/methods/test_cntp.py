"""CNTP against the published loop, one trial and one token at a time on plain transformers."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import analysis
from analysis.catalog.entries import Catalog
from analysis.decoding import prefix as prefixes
from analysis.decoding import stepwise, trace_text, trials
from analysis.decoding import trace as traces
from analysis.decoding.random_streams import uniforms
from analysis.decoding.trace import DecoderTrace, TraceFile
from analysis.errors import (
    GlassbenchError,
    InvalidParams,
    ModelIncompatible,
    PromptEmpty,
    PromptTooLong,
    SpecialTokenInText,
)
from analysis.events import Event, Progress
from analysis.methods.cntp import EXAMPLES

ARCHITECTURES = ["tiny-llama", "tiny-gpt2"]
PROMPT = "Anna has the ball. Where is"
ALONE = {
    f"with_{name}": False
    for name in ("greedy", "sampling", "min_p", "beam", "best_of_n", "self_consistency")
}
SHORT = {"prompt": PROMPT, "max_new_tokens": 16, "trial_cap": 8, **ALONE}
DEFAULTS = {
    "temperature": 0.8, "top_k": 50, "top_p": 0.9, "entropy_low": 0.01, "entropy_high": 1.5,
    "max_trials": 10, "formula": "code", "mode": "entropy", "scoring": "warped",
    "stop_rule": "text", "single": "draw", "seed": 0, "trial_cap": 8, "max_new_tokens": 16,
}  # fmt: skip

Decode = Callable[..., list[Event]]


@pytest.fixture
def decode(catalog: Catalog) -> Decode:
    def run(model: str = "tiny-llama", **params: Any) -> list[Event]:
        given = {**SHORT, **params}
        return list(analysis.run("cntp", model=model, params=given, catalog=catalog))

    return run


def read(events: list[Event]) -> TraceFile:
    return traces.load(traces.dump(events))


def main_trace(events: list[Event]) -> DecoderTrace:
    return read(events).traces[0]


@dataclass
class Drawn:
    ids: list[int] = field(default_factory=list)
    logq: list[float] = field(default_factory=list)
    logp: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    end: str = ""

    def perplexity(self, scoring: str) -> float:
        logs = self.logq if scoring == "warped" else self.logp
        return float(np.exp(-np.mean(logs)))


@dataclass
class Decision:
    position: int
    entropy: float
    entropy_raw: float
    varentropy: float
    trials: list[Drawn]
    winner: int = 0


class Sequential:
    """The published loop: every trial alone, every token from a forward pass on the whole text."""

    def __init__(self, catalog: Catalog, model: str, **settings: Any) -> None:
        path = catalog.find(model).path
        self.plain: Any = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float64)
        self.plain.set_attn_implementation("eager")
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.eos = self.tokenizer.eos_token_id
        self.settings = {**DEFAULTS, **settings}
        self.forwards = 0

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["settings"][name]
        except KeyError:
            raise AttributeError(name) from None

    def run(self, prompt: str) -> tuple[list[int], list[Decision]]:
        before = self.tokenizer(prompt).input_ids
        output: list[int] = []
        decisions = []
        while len(output) < self.max_new_tokens and self.eos not in output:
            p, q = self.distributions([*before, *output])
            entropy = self.entropy(q)
            count = self.count(entropy)
            room = self.max_new_tokens - len(output)
            if count == 1:
                trials = [self.single(p, q, len(output))]
            else:
                trials = [self.trial(before, output, k, room) for k in range(count)]
            scores = [trial.perplexity(self.scoring) for trial in trials]
            spread = float((p * (-np.log(p) - self.entropy(p)) ** 2).sum())
            decisions.append(Decision(len(output), entropy, self.entropy(p), spread, trials))
            decisions[-1].winner = scores.index(min(scores))
            output = [*output, *trials[decisions[-1].winner].ids]
        return output, decisions

    def distributions(self, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """The model's own, and the warped one."""
        self.forwards += 1
        with torch.inference_mode():
            logits = self.plain(torch.tensor([ids])).logits[0, -1].numpy()
        p = np.exp(logits - logits.max())
        p /= p.sum()
        x = logits / self.temperature
        order = np.argsort(-x, kind="stable")[: self.top_k or None]
        q = np.exp(x[order] - x[order[0]])
        q /= q.sum()
        kept = order[: int((np.cumsum(q) < self.top_p).sum()) + 1]
        warped = np.zeros_like(p)
        warped[kept] = np.exp(x[kept] - x[order[0]])
        return p, warped / warped.sum()

    def entropy(self, p: np.ndarray) -> float:
        some = p[p > 0]
        return float(-(some * np.log(some)).sum())

    def count(self, entropy: float) -> int:
        u = (entropy - self.entropy_low) / (self.entropy_high - self.entropy_low)
        u = min(max(u, 0), 1)
        most = self.max_trials
        if self.mode == "fixed":
            return int(most)
        if self.mode == "negative" and self.formula == "code":
            return int(most - (1 + (most - 1) * u) + 1)
        n = int(1 + (most - 1) * u) if self.formula == "code" else min(max(int(most * u), 1), most)
        return int(most + 1 - n if self.mode == "negative" else n)

    def single(self, p: np.ndarray, q: np.ndarray, position: int) -> Drawn:
        if self.single_rule == "likeliest":
            token = int(q.argmax())
        else:
            token = self.draw(q, uniforms(self.seed, position, 0, 1)[0])
        return Drawn([token], [np.log(q[token])], [np.log(p[token])], [self.entropy(q)])

    @property
    def single_rule(self) -> str:
        return str(self.settings["single"])

    def draw(self, q: np.ndarray, u: float) -> int:
        return int(np.searchsorted(np.cumsum(q), u * q.sum(), side="right"))

    def trial(self, before: list[int], output: list[int], number: int, room: int) -> Drawn:
        stream = iter(uniforms(self.seed, len(output), number, self.trial_cap))
        found = Drawn()
        while not found.end:
            p, q = self.distributions([*before, *output, *found.ids])
            token = self.draw(q, next(stream))
            found.ids.append(token)
            found.logq.append(float(np.log(q[token])))
            found.logp.append(float(np.log(p[token])))
            found.entropies.append(self.entropy(q))
            found.end = self.ending(found.ids, room)
        return found

    def ending(self, ids: list[int], room: int) -> str:
        said = self.tokenizer.decode(ids[-1:])
        ends = ".,\n?!:;)]}"
        closed = said.rstrip(" \n\"'") if self.stop_rule == "text" else said
        if ids[-1] == self.eos:
            return "eos"
        if (self.stop_rule == "text" and (closed[-1:] in ends if closed else "\n" in said)) or (
            self.stop_rule == "ids"
            and ids[-1] in [self.tokenizer.encode(s, add_special_tokens=False)[0] for s in ends]
        ):
            return "stop"
        if len(ids) == room:
            return "length"
        return "cap" if len(ids) == self.trial_cap else ""


def assert_equal_runs(trace: DecoderTrace, output: list[int], decisions: list[Decision]) -> None:
    assert trace.ids == output
    assert len(trace.steps) == len(decisions)
    for step, expected in zip(trace.steps, decisions, strict=True):
        assert step.position == expected.position  # type: ignore[union-attr]
        assert step.trials == len(expected.trials)  # type: ignore[union-attr]
        assert step.entropy == pytest.approx(expected.entropy, abs=1e-5)  # type: ignore[union-attr]
        assert step.entropy_raw == pytest.approx(expected.entropy_raw, abs=1e-5)  # type: ignore[union-attr]
        assert step.varentropy == pytest.approx(expected.varentropy, abs=1e-4)  # type: ignore[union-attr]
        if len(expected.trials) > 1:
            assert_equal_forks(trace, step.index, expected)
        else:
            chosen = step.chosen  # type: ignore[union-attr]
            assert chosen is not None
            assert np.log(chosen.probability) == pytest.approx(expected.trials[0].logq[0], abs=1e-5)
            assert chosen.logprob_raw == pytest.approx(expected.trials[0].logp[0], abs=1e-5)


def assert_equal_forks(trace: DecoderTrace, index: int, expected: Decision) -> None:
    fan = trace.fans[index]
    assert fan.fork is not None
    assert fan.fork.winner == expected.winner
    for number, (found, trial) in enumerate(zip(fan.fork.trials, expected.trials, strict=True)):
        parts = fan.tokens[number]
        if found.end == "pruned":
            assert fan.ids(number) == trial.ids[: found.length]
        else:
            assert fan.ids(number) == trial.ids
            assert found.end == trial.end
            assert found.perplexity == pytest.approx(trial.perplexity("warped"), rel=1e-5)
            assert found.perplexity_raw == pytest.approx(trial.perplexity("raw"), rel=1e-5)
        columns = {"logprobs": trial.logq, "logprobs_raw": trial.logp, "entropies": trial.entropies}
        for name, values in columns.items():
            stored = [value for part in parts for value in getattr(part, name)]
            np.testing.assert_allclose(stored, values[: found.length], atol=1e-5)


VARIANTS: list[dict[str, Any]] = [
    {},
    {"seed": 1, "formula": "paper", "entropy_high": 4.0},
    {"seed": 2, "scoring": "raw", "temperature": 1.3, "top_p": 1.0, "top_k": 0},
    {"seed": 3, "stop_rule": "ids", "trial_cap": 5},
    {"seed": 4, "mode": "negative", "entropy_high": 6.0, "max_trials": 4},
    {"seed": 5, "mode": "fixed", "max_trials": 3},
    {"seed": 6, "single": "likeliest", "entropy_low": 1.0, "entropy_high": 6.0},
    {"seed": 7, "temperature": 0.3, "max_new_tokens": 7, "trial_cap": 16},
]


CASES = [("tiny-llama", variant) for variant in VARIANTS]
CASES += [("tiny-gpt2", variant) for variant in VARIANTS[:3]]


@pytest.mark.parametrize(("model", "variant"), CASES)
def test_batched_trials_equal_the_sequential_loop(
    decode: Decode, catalog: Catalog, model: str, variant: dict[str, Any]
) -> None:
    trace = main_trace(decode(model, **variant))
    output, decisions = Sequential(catalog, model, **variant).run(PROMPT)
    assert_equal_runs(trace, output, decisions)


def test_demo_lm_too(catalog: Catalog) -> None:
    params = {**SHORT, "prompt": "Tom has five apples. Question: Who has apples? Answer:"}
    params |= {"entropy_low": 0.0001, "entropy_high": 0.5, "temperature": 1.5}
    events = list(analysis.run("cntp", model="demo-lm", params=params, catalog=catalog))
    settings = {name: params[name] for name in ("entropy_low", "entropy_high", "temperature")}
    loop = Sequential(catalog, "demo-lm", **settings)
    assert_equal_runs(main_trace(events), *loop.run(str(params["prompt"])))


@pytest.mark.parametrize("seed", range(4))
def test_pruning_changes_the_cost_alone(decode: Decode, seed: int) -> None:
    pruned, whole = (
        main_trace(decode(prune=prune, seed=seed, trial_cap=16)) for prune in (True, False)
    )
    assert pruned.ids == whole.ids
    assert pruned.end is not None
    assert whole.end is not None
    assert pruned.end.cost.tokens_computed <= whole.end.cost.tokens_computed
    for index, fan in pruned.fans.items():
        other = whole.fans[index].fork
        assert fan.fork is not None
        assert other is not None
        assert fan.fork.winner == other.winner


def test_some_trial_is_pruned(decode: Decode) -> None:
    trace = main_trace(decode(trial_cap=16))
    ends = {trial.end for fan in trace.fans.values() if fan.fork for trial in fan.fork.trials}
    assert "pruned" in ends


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_a_fork_takes_one_pass_per_token_of_its_longest_trial(decode: Decode, model: str) -> None:
    trace = main_trace(decode(model, prune=False))
    longest = [
        max(trial.length for trial in fan.fork.trials) for fan in trace.fans.values() if fan.fork
    ]
    assert trace.end is not None
    cost = trace.end.cost
    assert cost.main_forwards == len(trace.steps)
    assert cost.trial_forwards == sum(longest) - len(longest)
    nodes = sum(fan.fork.nodes for fan in trace.fans.values() if fan.fork)
    assert cost.nodes == nodes
    kept = sum(fan.fork.kept for fan in trace.fans.values() if fan.fork)
    assert cost.tokens_wasted == nodes - kept


def test_equal_prefixes_share_a_row(decode: Decode) -> None:
    """With one token to draw from, all trials are equal: one row, whatever their number."""
    trace = main_trace(decode(top_k=1, mode="fixed", max_trials=6, prune=False))
    assert trace.end is not None
    assert trace.end.cost.tokens_wasted == 0
    forks = [fan.fork for fan in trace.fans.values() if fan.fork]
    assert forks
    assert all(trial.duplicate_of == 0 for fork in forks for trial in fork.trials[1:])
    assert all(fork.margin is None for fork in forks)
    assert all(fork.greedy_rank == 1 for fork in forks)


def generated(catalog: Catalog, model: str, **options: Any) -> list[int]:
    path = catalog.find(model).path
    plain: Any = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(path)(PROMPT, return_tensors="pt").input_ids
    out = plain.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=2, **options
    )
    found: list[int] = out[0, ids.shape[1] :].tolist()
    return [token for token in found if token != 2]


@pytest.mark.parametrize("model", [*ARCHITECTURES, "demo-lm"])
@pytest.mark.parametrize("beams", [2, 5])
def test_beam_search_is_that_of_transformers(
    decode: Decode, catalog: Catalog, model: str, beams: int
) -> None:
    file = read(decode(model, with_beam=True, beams=beams, max_new_tokens=12))
    expected = generated(catalog, model, num_beams=beams, max_new_tokens=12)
    assert file.traces[1].start.decoder == "beam"
    assert file.traces[1].ids == expected
    fork = file.traces[1].fans[0].fork
    assert fork is not None
    scores = [trial.score for trial in fork.trials]
    assert scores == sorted(scores)


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_greedy_is_that_of_transformers(decode: Decode, catalog: Catalog, model: str) -> None:
    trace = main_trace(decode(model, decoder="greedy"))
    assert trace.ids == generated(catalog, model, max_new_tokens=16)


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_sampling_is_cntp_without_trials(decode: Decode, catalog: Catalog, model: str) -> None:
    trace = main_trace(decode(model, decoder="sampling", seed=9))
    output, decisions = Sequential(catalog, model, seed=9, max_trials=1).run(PROMPT)
    assert_equal_runs(trace, output, decisions)


def test_min_p_keeps_tokens_by_their_share_of_the_best(decode: Decode) -> None:
    trace = main_trace(decode(decoder="min_p", min_p=0.5, temperature=1.0))
    for step in trace.steps:
        kept = [c for c in step.candidates if c.probability > 0]  # type: ignore[union-attr]
        best = max(c.logprob_raw for c in kept)
        assert all(c.logprob_raw >= best + np.log(0.5) - 1e-5 for c in kept)
        assert step.chosen.probability > 0  # type: ignore[union-attr]


def test_whole_outputs_equal_single_samples_and_the_best_wins(
    decode: Decode, catalog: Catalog
) -> None:
    file = read(decode(with_best_of_n=True, with_self_consistency=True, samples=4))
    fans = [file.traces[number].fans[0] for number in (1, 2)]
    loop = Sequential(catalog, "tiny-llama", stop_rule="none", trial_cap=16)
    prompt = loop.tokenizer(PROMPT).input_ids
    expected = [loop.trial(prompt, [], number, 16) for number in range(4)]
    scores = [one.perplexity("warped") for one in expected]
    best, agreed = (fan.fork for fan in fans)
    assert best is not None
    assert agreed is not None
    assert best.winner == scores.index(min(scores))
    assert [fans[1].ids(number) for number in range(4)] == [one.ids for one in expected]
    assert [trial.perplexity for trial in agreed.trials] == pytest.approx(scores, rel=1e-5)


def test_best_of_n_and_the_vote_draw_their_samples_once(
    decode: Decode, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    real = prefixes.forward
    for module in (prefixes, trials):
        monkeypatch.setattr(
            module, "forward", lambda *given: passes.append(len(given[2])) or real(*given)
        )
    alone = {"decoder": "greedy", "max_new_tokens": 16, "samples": 6}

    def counted(**params: Any) -> tuple[TraceFile, int, int]:
        passes.clear()
        file = read(decode(**alone, **params))
        return file, len(passes), sum(passes)

    vote, *of_vote = counted(with_self_consistency=True)
    both, *of_both = counted(with_self_consistency=True, with_best_of_n=True)
    assert of_both == of_vote
    best, agreed = both.traces[1], both.traces[2]
    assert (best.start.samples_of, agreed.start.samples_of) == (None, 1)
    assert agreed.ids == vote.traces[1].ids
    assert [agreed.fans[0].ids(n) for n in range(6)] == [best.fans[0].ids(n) for n in range(6)]
    assert agreed.end is not None
    assert best.end is not None
    assert vote.traces[1].end is not None
    same = {"main_forwards", "trial_forwards", "tokens_computed", "nodes", "cache_bytes"}
    costs = [one.end.cost.model_dump(include=same) for one in (best, agreed, vote.traces[1])]  # type: ignore[union-attr]
    assert costs[0] == costs[1] == costs[2]
    assert agreed.end.cost.seconds >= agreed.end.cost.model_seconds > 0


def test_the_vote_takes_the_most_frequent_answer(decode: Decode) -> None:
    params = {"with_self_consistency": True, "samples": 12, "answer_pattern": "([aeiou])"}
    fork = read(decode(**params)).traces[1].fans[0].fork
    assert fork is not None
    counted: dict[str, int] = {}
    for trial in fork.trials:
        if trial.answer is not None:
            counted[trial.answer] = counted.get(trial.answer, 0) + 1
    assert fork.by == "vote"
    assert fork.trials[fork.winner].answer in {
        answer for answer, count in counted.items() if count == max(counted.values())
    }
    assert {vote.answer: len(vote.trials) for vote in fork.votes} == counted


def test_a_branch_goes_on_from_the_forced_trial(decode: Decode) -> None:
    plain = main_trace(decode())
    index, fan = next(iter(plain.fans.items()))
    assert fan.fork is not None
    other = next(
        n for n, trial in enumerate(fan.fork.trials) if trial.duplicate_of is None
        and n != fan.fork.winner and fan.ids(n) != fan.ids(fan.fork.winner)
    )  # fmt: skip
    position = fan.fork.position
    forced = [{"position": position, "trial": other}]
    branch = main_trace(decode(forced=forced))
    assert branch.ids[:position] == plain.ids[:position]
    taken = branch.fans[index]
    assert taken.fork is not None
    assert taken.fork.by == "forced"
    assert taken.fork.winner == other
    ids = taken.ids(other)
    assert branch.ids[position : position + len(ids)] == ids
    assert ids[: len(fan.ids(other))] == fan.ids(other)  # the pruned beginning, or all of it


def test_a_branch_goes_on_from_the_forced_token(decode: Decode, catalog: Catalog) -> None:
    """Also inside a trial: the trial is cut there. What follows is CNTP on the text so far."""
    plain = main_trace(decode(seed=3))
    cut = next(
        f.fork for f in plain.fans.values() if f.fork and f.fork.trials[f.fork.winner].length > 2
    )
    at = cut.position + 1
    forced = [{"position": at, "token": 40}]
    branch = main_trace(decode(seed=3, forced=forced))
    assert branch.ids[:at] == plain.ids[:at]
    assert branch.ids[at] == 40
    step = next(s for s in branch.steps if s.position == at)  # type: ignore[union-attr]
    assert step.reason == "forced"  # type: ignore[union-attr]
    shortened = branch.fans[step.index - 1].fork
    assert shortened is not None
    assert shortened.kept == 1
    loop = Sequential(catalog, "tiny-llama", seed=3)
    prompt = loop.tokenizer(PROMPT).input_ids
    for later in branch.steps[step.index :]:
        _, q = loop.distributions([*prompt, *branch.ids[: later.position]])  # type: ignore[union-attr]
        assert later.entropy == pytest.approx(loop.entropy(q), abs=1e-5)  # type: ignore[union-attr]


def test_a_branch_with_what_was_there_is_the_identity(decode: Decode) -> None:
    plain = main_trace(decode(seed=3))
    for position, token in enumerate(plain.ids):
        branch = main_trace(decode(seed=3, forced=[{"position": position, "token": token}]))
        assert branch.ids == plain.ids, position


@pytest.mark.parametrize("decoder", ["cntp", "sampling", "min_p"])
def test_temperature_zero_is_greedy(decode: Decode, decoder: str) -> None:
    baselines = {"with_greedy": True, "with_best_of_n": True, "with_self_consistency": True}
    file = read(decode(decoder=decoder, temperature=0, **baselines))
    texts = {trace.start.decoder: trace.ids for trace in file.traces.values()}
    assert len(texts) == 4
    assert all(ids == texts["greedy"] for ids in texts.values())
    assert all(step.entropy == 0 for step in file.traces[0].steps)  # type: ignore[union-attr]


def test_stored_entropies_give_the_run_s_own_trials(
    decode: Decode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entropy that rounding to seven places would lift over the threshold."""
    settings = {"entropy_high": 0.6931472, "entropy_low": 0.01}
    half = stepwise.next_token_stats

    def two_equal(logits: torch.Tensor, sampling: Any, rows: Any) -> Any:
        even = torch.full_like(logits, -torch.inf)
        even[:, :2] = 0.0
        return half(even, sampling, rows)

    monkeypatch.setattr(stepwise, "next_token_stats", two_equal)
    step = main_trace(decode(**settings, max_new_tokens=1)).steps[0]
    caution = stepwise.Caution(0.01, 0.6931472, 10, "code", "entropy")
    assert step.trials == caution(step.entropy) == 9  # type: ignore[union-attr]


def test_stop_strings_end_trials_and_text(decode: Decode) -> None:
    whole = main_trace(decode(decoder="greedy"))
    word = whole.text.strip()[2:4]
    trace = main_trace(decode(decoder="greedy", stop_strings=f"\n{word}"))
    assert trace.end is not None
    assert trace.end.stop == "stop_string"
    assert word in trace.text
    assert word not in "".join(trace.output[0].texts[:-1])


def test_a_token_named_by_its_id_ends_trials_and_text(decode: Decode) -> None:
    output = main_trace(decode(decoder="greedy")).output[0].ids
    stop = output[3]
    for decoder in ("greedy", "cntp", "sampling"):
        trace = main_trace(decode(decoder=decoder, stop_strings=[stop, 0]))
        assert trace.end is not None
        assert f"#{stop}, #0" in trace.start.stop_rule
        if decoder == "greedy":
            assert trace.end.stop == "stop_string"
            assert trace.output[0].ids == output[: output.index(stop) + 1]
        assert stop not in trace.output[0].ids[:-1]


def test_equal_params_give_equal_events(decode: Decode) -> None:
    everything = dict.fromkeys(ALONE, True)
    first, second = (read(decode(**everything, seed=4)) for _ in range(2))
    assert [trace.ids for trace in first.traces.values()] == [
        trace.ids for trace in second.traces.values()
    ]
    assert len(first.traces) == 7
    assert [trace.start.main for trace in first.traces.values()] == [True] + [False] * 6


def test_events_are_small_and_progress_is_told(decode: Decode) -> None:
    wide = {"max_trials": 64, "mode": "fixed", "prune": False}
    events = decode(**wide, max_new_tokens=24, trial_cap=24)
    assert max(len(json.dumps(e.model_dump(mode="json"))) for e in events) < 64 * 2**10
    assert any(isinstance(event, Progress) for event in events)


REFUSED: list[tuple[dict[str, Any], type[GlassbenchError], str]] = [
    ({"entropy_low": 1.5, "entropy_high": 1.5}, InvalidParams, "low must be below high"),
    ({"max_trials": 65}, InvalidParams, "less than or equal to 64"),
    ({"max_trials": 0}, InvalidParams, "greater than or equal to 1"),
    ({"trial_cap": 200}, InvalidParams, "room for"),
    ({"temperature": -0.1}, InvalidParams, "greater than or equal to 0"),
    ({"top_p": 0}, InvalidParams, "greater than 0"),
    ({"prompt": "  "}, PromptEmpty, "empty"),
    ({"prompt": "a </s> b"}, SpecialTokenInText, "</s>"),
    ({"max_new_tokens": 95}, PromptTooLong, "context is 96"),
    ({"answer_pattern": "(", "with_greedy": True}, InvalidParams, "not a regular expression"),
    ({"answer_pattern": "(" * 201}, InvalidParams, "at most 200"),
    ({"stop_strings": "\0"}, GlassbenchError, "U+0000"),
    ({"stop_strings": [9_000_000]}, InvalidParams, "names token 9000000"),
    ({"stop_strings": [0] * 33}, InvalidParams, "at most 32"),
    ({"forced": [{"position": 0, "trial": 10}]}, InvalidParams, "where 10 trials are sampled"),
    ({"forced": [{"position": 23, "trial": 0}]}, InvalidParams, "no step begins"),
    ({"forced": [{"position": 500, "token": 0}]}, InvalidParams, "no step begins"),
    ({"forced": [{"position": 0, "token": 10**6}]}, InvalidParams, "has 311 tokens"),
    ({"forced": [{"position": 0}]}, InvalidParams, "forced.0"),
    (
        {"forced": [{"position": 0, "token": 5}] * 2},
        InvalidParams,
        "two of which are of the same kind",
    ),
    (
        {"forced": [{"position": 0, "trial": 0}], "decoder": "greedy"},
        InvalidParams,
        "samples no trials",
    ),
    ({"forced": [{"position": 0, "token": 5}] * 65}, InvalidParams, "at most 64"),
]


@pytest.mark.parametrize(("params", "error", "says"), REFUSED)
def test_bad_input_is_refused_with_value_limit_and_remedy(
    decode: Decode, params: dict[str, Any], error: type[GlassbenchError], says: str
) -> None:
    with pytest.raises(error) as refusal:
        decode(**params)
    assert says in refusal.value.message
    assert refusal.value.remedy


def test_a_masked_model_is_refused(decode: Decode) -> None:
    with pytest.raises(ModelIncompatible, match="causal_lm"):
        decode("tiny-bert")


def test_a_closed_run_leaves_nothing_on_the_model(catalog: Catalog) -> None:
    events: Iterator[Event] = analysis.run(
        "cntp", model="tiny-llama", params=SHORT, catalog=catalog
    )
    for _ in range(6):
        next(events)
    events.close()  # type: ignore[attr-defined]
    assert torch.is_inference_mode_enabled() is False


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_examples_run(catalog: Catalog, example: Any) -> None:
    events = list(analysis.run("cntp", model=example.model, params=example.params, catalog=catalog))
    assert len(read(events).traces) >= 2


def test_the_known_answer_tells_right_from_wrong(decode: Decode) -> None:
    """In the trace and in what `trace show` prints of it."""
    baselines = {"with_greedy": True, "answer_pattern": "([aeiou])"}
    plain = read(decode(**baselines))
    answers = [trace.end.answer for trace in plain.traces.values() if trace.end]
    given = read(decode(**baselines, right_answer=answers[0]))
    ends = [trace.end for trace in given.traces.values() if trace.end]
    assert [end.right for end in ends] == [answer == answers[0] for answer in answers]
    assert all(trace.end and trace.end.right is None for trace in plain.traces.values())
    shown = "\n".join(trace_text.lines(given))
    assert f"answer {answers[0]!r} (right)" in shown
