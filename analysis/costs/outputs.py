"""The stages of methods on text that write an output and score it."""

from analysis.costs.case import CostCase
from analysis.workload import Stage


def output_tokens(case: CostCase) -> int:
    """Tokens of the output: those given, or as many as may be written."""
    given = case["continuation"]
    return case.count(given) if given else int(case["max_new_tokens"])


def written(name: str, prompt: float, most: int, least: float = 1) -> list[Stage]:
    """Greedy decoding with a cache: the prompt, then a token at a time."""
    first = Stage(name=name, rows=1, tokens=prompt, forwards=1)
    if most < 2:
        return [first]
    rest = Stage(
        name=name,
        rows=most - 1,
        least=max(least - 1, 0),
        tokens=1,
        past=prompt + most / 2,
        forwards=most - 1,
    )
    return [first, rest]


def read_context(case: CostCase) -> list[Stage]:
    """The output, written unless it is given."""
    if case["continuation"]:
        return []
    return written("output", case.prompt_tokens, case["max_new_tokens"])
