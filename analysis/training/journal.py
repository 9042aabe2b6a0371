"""What the trainings of the bundled models share: the journal, and the steps of a text lesson."""

import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from tqdm import tqdm

from analysis.training.canvas import MaskedLesson
from analysis.training.corpus import TextLesson

LOG_NAME = "training_log.jsonl"
WARMUP_STEPS = 50
MASTERY_STEPS = 50  # over which the share of correct tokens is averaged
Entry = dict[str, float | str]
L = TypeVar("L", TextLesson, MaskedLesson)
B = TypeVar("B")
StepLoss = tuple[Float[Tensor, ""], Float[Tensor, ""]]  # loss, share of correct tokens


class Journal:
    """The log of a training: each entry has the mean of every figure since the entry before it.

    `entries` are the log of the training that this one continues; `clock` returns seconds.
    """

    def __init__(
        self, entries: Sequence[Entry] = (), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.entries = list(entries)
        last: Entry = self.entries[-1] if self.entries else {"step": 0, "seconds": 0}
        self.steps = int(last["step"])
        self.clock, self.started = clock, clock() - float(last["seconds"])
        self.figures = defaultdict[str, list[float]](list)

    def add(self, figures: Mapping[str, float]) -> None:
        """Adds the figures of one step."""
        self.steps += 1
        for name, value in figures.items():
            self.figures[name].append(value)

    def enter(self, head: Mapping[str, float | str], measured: Mapping[str, float]) -> None:
        """Appends and prints an entry: `head`, seconds, means, then what a check measured."""
        seconds = round(self.clock() - self.started)
        means = {name: round(fmean(values), 4) for name, values in self.figures.items()}
        self.entries.append({**head, "seconds": seconds, **means, **measured})
        self.figures.clear()
        tqdm.write(json.dumps(self.entries[-1]))


def log_write(folder: Path, entries: Sequence[Mapping[str, float | str]]) -> None:
    """Writes the log into the folder of a model, one JSON object a line."""
    (folder / LOG_NAME).write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def log_read(folder: Path) -> list[Entry]:
    """The log of the training that made the model of a folder."""
    return [json.loads(line) for line in (folder / LOG_NAME).read_text().splitlines()]


def lessons_train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    lessons: Sequence[L],
    *,
    batches: Callable[[L], Iterator[B]],
    loss_of: Callable[[B], StepLoss],
    learning_rate: Callable[[L, int, float], float],
) -> Iterator[tuple[L, B, float, float]]:
    """Trains lesson by lesson; yields each step's lesson, batch, loss and share correct.

    `learning_rate` takes the lesson, its step, and the warmup factor, which rises to 1.
    """
    bar, taken = tqdm(total=sum(lesson.steps for lesson in lessons)), 0
    for lesson in lessons:
        shares = deque[float](maxlen=MASTERY_STEPS)
        for step, batch in zip(range(lesson.steps), batches(lesson), strict=False):
            taken += 1
            warmup = min(1.0, taken / WARMUP_STEPS)
            optimizer.param_groups[0]["lr"] = learning_rate(lesson, step, warmup)
            loss, share = loss_of(batch)
            step_down(model, optimizer, loss)
            bar.update()
            shares.append(share.item())
            yield lesson, batch, loss.item(), share.item()
            if len(shares) == MASTERY_STEPS and fmean(shares) >= lesson.mastered:
                bar.update(lesson.steps - step - 1)
                break


def step_down(model: nn.Module, optimizer: torch.optim.Optimizer, loss: Float[Tensor, ""]) -> None:
    """One step down the gradient of the loss, clipped to norm 1."""
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
