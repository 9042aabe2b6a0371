"""ReAGent: which input tokens an output token depends on.

Random subsets of the context's tokens are replaced many times. An input token is important for an
output token to the extent that replacing it lowers the output token's probability.

Source: "ReAGent: Towards A Model-agnostic Feature Attribution Method for Generative Language
Models" (arXiv 2402.00794). Three forms, and each result says which it is:

- `paper`: importance of token i = softmax over positions of scores to which every step adds
  ±logit((1 + D)/2), + where i was replaced; mean over probes; one-signed, sums to 1.
- `centred`: e_i = Σ_k (m_ki − r)(D_k − D̄) / (K r (1 − r)), the mean effect of replacing token
  i, with its standard error; signed, comparable across tokens.
- `least_squares` (default): the same effects, fitted jointly to the same probes, D_k = a +
  Σ_i e_i m_ki; its variance is 1.6 to 3.4 times smaller on the bundled model. Until there are
  three probes per token, and for more than 2,048 tokens, the centred form is used instead; each
  event names its form.

Shape legend: K probes (rows), N positions (prompt and output, without the last output token's
successor), L prompt tokens, T output tokens, R rows of a map (the target first, then each
output token), G groups (words or sentences), V vocabulary.
"""

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from analysis.errors import InvalidParams
from analysis.events import Event, Progress
from analysis.method import Example
from analysis.methods.reagent import baselines, effects, faithfulness, probing, replacers
from analysis.methods.reagent.baselines import Baseline, OtherMap
from analysis.methods.reagent.comparison_budget import planned
from analysis.methods.reagent.events import Convergence, Probes, Replacement, Scores
from analysis.methods.reagent.faithfulness import Curve, Soft
from analysis.methods.reagent.params import Params
from analysis.methods.reagent.probing import ProbeCase
from analysis.model import Model
from analysis.run_context import LoadModel, RunContext
from analysis.text import context as contexts
from analysis.text.context import Context, Output, Tokens
from analysis.text.cost import Cost, PassMeter

VERSION = "7"
NEEDS = ("causal_lm",)


EVENTS = (Tokens, Output, Replacement, Scores, Probes, Convergence, Baseline, Curve, Soft, Cost)

PRESETS: dict[str, dict[str, Any]] = {
    "least squares (default)": {
        "estimator": "least_squares",
        "replace_rate": 0.3,
        "probes": 512,
        "top_n": 5,
    },
    "centred": {"estimator": "centred", "replace_rate": 0.3, "probes": 512, "top_n": 5},
    "paper": {
        "estimator": "paper",
        "contrast": "",  # which it does not take
        "replace_rate": 0.1,
        "paper_probes": 5,
        "paper_max_steps": 5000,
        "top_n": 8,
        "paper_top_k": 3,
    },
    "paper, 16 probes": {  # inseq's default settings, but not its replacer
        "estimator": "paper",
        "contrast": "",  # which it does not take
        "replace_rate": 0.3,
        "paper_probes": 16,
        "paper_max_steps": 3000,
        "top_n": 5,
        "paper_top_k": 3,
    },
}

EXAMPLES = (
    Example(
        name="Who has it?",
        look_for="The key in the question and the sentence about the key have the largest scores; "
        "the other people and things have almost none.",
        model="demo-lm",
        params={
            "prompt": "Felix has the hat. Maria has the key. Sara is holding the guitar. "
            "Leo went to the garden. Question: Who has the key? Answer:",
            "max_new_tokens": 2,
        },
    ),
    Example(
        name="Passed on",
        look_for="The lantern changed hands, so the second sentence matters. The contrast with "
        "the first holder shows which tokens favour Leo over Paul.",
        model="demo-lm",
        params={
            "prompt": "Paul picked up the lantern. Then Paul gave the lantern to Leo. "
            "Rosa has the ring. Question: Who has the lantern now? Answer:",
            "max_new_tokens": 2,
            "contrast": " Paul",
        },
    ),
    Example(
        name="Where is it? Two hops",
        look_for="The text does not say where the ring is: the answer depends on who has it and "
        "on where that person is.",
        model="demo-lm",
        params={
            "prompt": "Nora walked to the cave. Emma took the ring. Emma is waiting in the hall. "
            "Liam has the coat. Question: Where is the ring? Answer:",
            "max_new_tokens": 2,
        },
    ),
    Example(
        name="How many?",
        look_for="Two people have apples; the name in the question determines which number is the "
        "answer.",
        model="demo-lm",
        params={
            "prompt": "Tom has five apples. Clara found seven apples. The lamp is in the attic. "
            "Question: How many apples does Clara have? Answer:",
            "max_new_tokens": 2,
        },
    ),
    Example(
        name="A sum, step by step",
        look_for="The second sum depends on the output just before it. Click the other numbers: "
        "15 depends on 19 and 4, and the last 23 on the previous 23.",
        model="demo-lm",
        params={
            "prompt": "David finds 7 potatoes. Felix picked up 19 stones. Felix sells 4. "
            "David gives 8 more to Felix. Question: How many stones does Felix have now? Answer:",
            "max_new_tokens": 20,
            "target_start": 12,
        },
    ),
    Example(
        name="A story continues",
        look_for="Click through the output: some words depend on the beginning of the prompt, "
        "others only on the previous word.",
        model="demo-lm",
        params={
            "prompt": "One day, Anna went to the forest. She was looking for the lamp.",
            "max_new_tokens": 24,
        },
    ),
    Example(
        name="The published estimator",
        look_for="The paper's softmax scores for the same question. They cannot show that a token "
        "lowers the answer's probability. The run also shows how each probe stopped.",
        model="demo-lm",
        params={
            "prompt": "Felix has the hat. Maria has the key. Sara is holding the guitar. "
            "Leo went to the garden. Question: Who has the key? Answer:",
            "max_new_tokens": 2,
            "estimator": "paper",
            "replace_rate": 0.1,
            "top_n": 8,
        },
    ),
)


def run(model: Model, params: Params, context: RunContext) -> Iterator[Event]:
    """Yield the events of one attribution."""
    meter = PassMeter(model)
    text = yield from contexts.read(model, params)
    meter.book("output")
    case = yield from _case(model, params, text, context.load_model)
    meter.book("replacer")
    scores = yield from _scores(case, params)
    meter.book("probes")
    others: list[OtherMap] = []
    plan = planned(case, params)
    yield from plan.omitted
    if plan.baselines:
        others = yield from baselines.compare(case, scores, plan.baselines)
        meter.book("baselines")
    if plan.draws or plan.soft:
        maps = {("reagent", "ReAGent"): scores}
        maps |= {(other.name, other.label): other.scores_N for other in others}
        yield from faithfulness.judge(case, maps, plan.draws, soft=plan.soft)
        meter.book("faithfulness")
    yield meter.cost()


def refuse(params: Params) -> None:
    """Raise PromptEmpty, TargetOutOfRange or InvalidParams for what params alone tell."""
    contexts.refuse_params(params, params.target_start, params.target_length)
    _refuse_contrast(params)
    if params.replacer == "masked_lm" and not params.replacer_model:
        raise InvalidParams(
            "The masked_lm replacer needs a masked language model.",
            remedy="Set replacer_model, or choose the uniform replacer.",
            field="replacer_model",
        )


def refuse_for(model: Model, params: Params) -> None:
    """Raise what `run` raises for the text, the target and the contrast token."""
    prompt, output = contexts.encode(model, params)
    start = params.target_start
    if output is not None:
        contexts.span_of(len(output), start, params.target_length)
    is_known = output is not None or start == 0 or isinstance(params.contrast, int)
    if params.contrast != "" and is_known:
        before = [*prompt.ids, *(output or [])[:start]]
        contexts.single_token(model, params.contrast, before=before, field="contrast")


def _refuse_contrast(params: Params) -> None:
    if params.estimator == "paper" and params.contrast != "":
        raise InvalidParams(
            "The paper's estimator takes no contrast: its D is a difference of probabilities.",
            remedy="Set estimator to least_squares, or leave contrast empty.",
            field="contrast",
        )
    if params.contrast != "" and params.target_length > 1:
        raise InvalidParams(
            f"A contrast takes a single target token; target_length is {params.target_length}.",
            remedy="Set target_length to 1, or leave contrast empty.",
            field="target_length",
        )


def _case(
    model: Model, params: Params, context: Context, load_model: LoadModel
) -> Generator[Event, None, ProbeCase]:
    """Yield the context's events, then prepare the probes."""
    span = contexts.target_span(context, params.target_start, params.target_length)
    protected = [c or at < params.protect_prefix for at, c in enumerate(context.protected)]
    yield from contexts.describe(model, context, protected)
    contrast_token = None
    if params.contrast != "":
        before = context.ids[: context.prompt_length + span.start]
        contrast_token = contexts.single_token(
            model, params.contrast, before=before, field="contrast"
        )
    generated = not params.continuation
    yield contexts.output_event(
        model, context, generated=generated, span=span, contrast_token=contrast_token
    )
    replacer = yield from _replacer(model, params, context.ids, load_model)
    yield Replacement(label=replacer.label, fallbacks=replacer.fallbacks)
    return ProbeCase(
        model=model,
        ids_N=np.array(context.ids, dtype=np.int64),
        prompt_length=context.prompt_length,
        replaceable_N=~np.array(protected),
        words_N=np.array(context.words),
        sentences_N=np.array(context.sentences),
        span=span,
        contrast_token=contrast_token,
        replacer=replacer,
        rate=params.replace_rate,
        measure=params.measure,
        top_n=params.top_n,
        rows_per_forward=params.rows_per_forward,
        seed=params.seed,
    )


def _replacer(
    model: Model, params: Params, context: list[int], load_model: LoadModel
) -> Generator[Event, None, replacers.Replacer]:
    if params.replacer == "uniform":
        return replacers.uniform(model, context)
    if params.replacer == "same_model":
        return (yield from replacers.same_model(model, context))
    masked = yield from load_model(params.replacer_model, needs=("masked_lm",))
    return (yield from replacers.masked_lm(model, masked, context))


def _scores(case: ProbeCase, params: Params) -> Generator[Event, None, np.ndarray]:
    """Yield maps as probes accumulate; return the target's final map, [N]."""
    if params.estimator == "paper":
        return (yield from _paper_scores(case, params))
    final = np.zeros(case.length)
    precision = params.precision if params.stop_early else None
    for found in effects.estimated_maps(
        case, params.probes, estimator=params.estimator, precision=precision
    ):
        if isinstance(found, int):
            yield Progress(stage="probing", done=found, total=params.probes, unit="probes")
        elif isinstance(found, effects.ProbeRecord):
            yield _record(case, found)
        else:
            yield _as_event(case, params, found, params.probes)
            final = found.mean[0]
    return final


def _paper_scores(case: ProbeCase, params: Params) -> Generator[Event, None, np.ndarray]:
    total = params.paper_probes * (case.outputs + 1)
    final, rows = np.zeros(case.length), []
    for found in probing.paper_maps(
        case, params.paper_probes, params.paper_max_steps, params.paper_top_k
    ):
        if isinstance(found, int):
            yield Progress(stage="probing", done=found, total=total, unit="stopped probes")
        else:
            yield _as_event(case, params, found.maps, params.paper_max_steps)
            final, rows = found.maps.mean[0], found.rows
    for row, probes in enumerate(rows):
        yield Convergence(
            row=row,
            steps=[probe.steps for probe in probes],
            converged=[probe.converged for probe in probes],
            over="converged" if any(probe.converged for probe in probes) else "all",
        )
    return final


def _as_event(case: ProbeCase, params: Params, maps: probing.Maps, budget: int) -> Scores:
    measure, unit = _measure(params)
    form: Any = maps.estimator
    return Scores(
        estimator=form,
        measure=measure,
        unit=unit,
        probes=maps.probes,
        budget=budget,
        final=maps.final,
        base=[float(value) for value in maps.base],
        valid=[int(value) for value in case.valid_R],
        mean=maps.mean,
        standard_error=maps.error,
        word_standard_error=maps.word_error,
        sentence_standard_error=maps.sentence_error,
        stable_since=maps.stable_since,
        separated=maps.separated,
        single_factor=maps.single,
        joint_factor=list(maps.joint_R),
    )


def _record(case: ProbeCase, found: effects.ProbeRecord) -> Probes:
    return Probes(
        start=found.start,
        replace_rate=case.rate,
        masks=found.masks_KN.astype(np.uint8),
        ids=found.ids_KN,
        measure=found.measure_KR,
    )


def _measure(params: Params) -> tuple[Any, str]:
    if params.estimator == "paper":
        return "importance", "share"
    if params.contrast != "":
        return "log_ratio", "nats"
    return params.measure, "probability" if params.measure == "probability" else "nats"
