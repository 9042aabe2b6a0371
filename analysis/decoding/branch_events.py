"""Events of a branch point: each trial's tokens, how the trials ended, and the selected one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from analysis.decoding import trie
from analysis.decoding.events import TOKENS_PER_EVENT, Fork, Trial, TrialTokens, Vote
from analysis.decoding.trials import Path
from analysis.text import tokenization


@dataclass(frozen=True)
class TrialChoice:
    """The selected trial: the lowest of `scores`, unless a trial is forced."""

    by: str
    scores: list[float]
    winner: int
    kept: int
    answers: list[str | None]
    votes: list[Vote]


def fork_events(
    tokenizer: PreTrainedTokenizerBase,
    *,
    trace: int,
    index: int,
    context: list[int],
    seed: int,
    position: int,
    paths: Sequence[Path],
    outcome: TrialChoice,
    forwards: int,
) -> Iterator[TrialTokens | Fork]:
    """Yield the tokens of each trial, then the branch point; `context` is the text before it."""
    for path in paths:
        yield from _tokens(tokenizer, trace, index, context, path)
    same = trie.first_equal([path.ids for path in paths])
    yield Fork(
        trace=trace,
        index=index,
        position=position,
        by=outcome.by,
        trials=[
            _trial(path, score, same[path.number], answer, [seed, position, path.number])
            for path, score, answer in zip(paths, outcome.scores, outcome.answers, strict=True)
        ],
        winner=outcome.winner,
        kept=outcome.kept,
        margin=_margin(paths, outcome),
        greedy_rank=_greedy_rank(paths, outcome.scores),
        votes=outcome.votes,
        nodes=trie.count([path.ids for path in paths]),
        tokens=sum(len(path.ids) for path in paths),
        forwards=forwards,
    )


def _tokens(
    tokenizer: PreTrainedTokenizerBase, trace: int, index: int, context: list[int], path: Path
) -> Iterator[TrialTokens]:
    texts = tokenization.display_continued(tokenizer, path.ids, before=context)
    for start in range(0, len(path.ids), TOKENS_PER_EVENT):
        part = slice(start, start + TOKENS_PER_EVENT)
        yield TrialTokens(
            trace=trace,
            index=index,
            trial=path.number,
            start=start,
            ids=path.ids[part],
            texts=texts[part],
            logprobs=path.logprobs[part],
            logprobs_raw=path.logprobs_raw[part],
            entropies=path.entropies[part],
            ranks=path.ranks[part],
        )


def _trial(
    path: Path, score: float, same: int | None, answer: str | None, stream: list[int]
) -> Trial:
    assert path.end is not None
    return Trial(
        length=len(path.ids),
        end=path.end,
        nll=path.nll("warped"),
        nll_raw=path.nll("raw"),
        perplexity=path.perplexity("warped"),
        perplexity_raw=path.perplexity("raw"),
        score=score,
        duplicate_of=same,
        greedy=_is_greedy(path),
        stream=stream,
        answer=answer,
    )


def _margin(paths: Sequence[Path], outcome: TrialChoice) -> float | None:
    """Best score of a finished trial with other tokens, minus the winner's."""
    won = paths[outcome.winner].ids
    others = [
        score
        for path, score in zip(paths, outcome.scores, strict=True)
        if path.end != "pruned" and path.ids != won
    ]
    return min(others) - outcome.scores[outcome.winner] if others else None


def _greedy_rank(paths: Sequence[Path], scores: Sequence[float]) -> int | None:
    ended = [
        (score, _is_greedy(path))
        for path, score in zip(paths, scores, strict=True)
        if path.end != "pruned"
    ]
    greedy = [score for score, is_greedy in ended if is_greedy]
    return 1 + sum(score < greedy[0] for score, _ in ended) if greedy else None


def _is_greedy(path: Path) -> bool:
    return all(rank == 1 for rank in path.ranks)
