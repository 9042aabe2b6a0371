"""What CNTP costs: one prompt read, then tokens one at a time, of each decoder."""

from collections.abc import Iterator

from analysis.costs.case import CostCase
from analysis.costs.cheaper import Change
from analysis.workload import Stage

STEPWISE = ("cntp", "greedy", "sampling", "min_p")
SAMPLED = ("best_of_n", "self_consistency")
WRITTEN = 0.5  # share of the longest output that is written before the text ends, about
BRANCHED = 0.3  # share of tokens at which CNTP samples several trials, about
CALLS = 250  # of the statistics of a step

CHEAPER = (
    Change("with_self_consistency", value=False, lacks="no self-consistency"),
    Change("with_best_of_n", value=False, lacks="no best of N"),
    Change("with_beam", value=False, lacks="no beam search"),
    Change("with_min_p", value=False, lacks="no min-p sampling"),
    Change("with_sampling", value=False, lacks="no plain sampling"),
    Change("max_trials", value=4, lacks="at most 4 trials"),
    Change("max_new_tokens", value=32, lacks="an output of at most 32 tokens"),
)


def stages(case: CostCase) -> Iterator[Stage]:
    """The prompt, which all decoders share, then the tokens of each."""
    length, prompt = case["max_new_tokens"], case.prompt_tokens
    # An earlier run may have read it.
    yield Stage(name="prompt", rows=1, least=0, tokens=prompt, forwards=1, calls=CALLS)
    sampled = False
    for decoder in (*STEPWISE, "beam", *SAMPLED):
        if decoder != case["decoder"] and not case.params.get(f"with_{decoder}", False):
            continue
        if decoder in SAMPLED:  # both use the same samples
            if sampled:
                continue
            sampled = True
        yield from _tokens(case, decoder, length, prompt)


def _tokens(case: CostCase, decoder: str, length: int, prompt: int) -> Iterator[Stage]:
    if length < 2:
        return
    if decoder == "beam":
        width = case["beams"]
    elif decoder in SAMPLED:
        width = case["samples"]
    else:
        width = 1
    most, steps = length - 1, WRITTEN * (length - 1)
    yield Stage(
        name=decoder,
        rows=steps * width,
        least=0,
        most=most * width,
        tokens=1,
        past=prompt + steps / 2,
        forwards=steps,
        calls=CALLS * steps,
    )
    if decoder == "cntp":
        trials = case["max_trials"] / 2 * BRANCHED * steps
        yield Stage(
            name=decoder,
            rows=trials,
            least=0,
            most=case["max_trials"] * case["trial_cap"] * most,
            tokens=1,
            past=prompt + steps / 2,
            forwards=BRANCHED * steps,
            calls=CALLS * BRANCHED * steps,
        )
