"""Number stories: what somebody has grows and shrinks, and the answer shows its steps.

Every question can be answered in three wordings, so that a model of these texts meets real forks.
One states the result before its reasons, which asks for sums in the head; the others calculate step
by step. All end in the same statement, from which the answer is read.
"""

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from analysis.worlds import lexicon
from analysis.worlds.facts import HELD_OUT_SHARE, Carrier, Cast, Fact, Role
from analysis.worlds.stories import Document

Wording = Literal["result first", "steps", "words"]
Span = tuple[int, int]
WORDINGS: dict[Wording, float] = {"steps": 0.5, "words": 0.3, "result first": 0.2}  # shares
START = (3, 20)
CHANGE = (1, 9)
TOTAL = (1, 30)  # of every step
CHANGES = (2, 3)  # how many there are

GAIN = (
    ("finds", "{who} {verb} {number} more."),
    ("buys", "{who} {verb} {number} more."),
    ("gives", "{other} {verb} {number} more to {who}."),
    ("gets", "Then {who} {verb} {number} more."),
)
LOSS = (
    ("loses", "{who} {verb} {number}."),
    ("sells", "{who} {verb} {number}."),
    ("gives", "{who} {verb} {number} to {other}."),
    ("drops", "Then {who} {verb} {number}."),
)
BYSTANDER_SHARE = 0.5  # of the stories
BYSTANDER = ("{other} has {number} {others}.", "{other} finds {number} {others}.")
ASK = "Question: How many {things} does {who} have now? Answer:"
ROLES: dict[str, Role] = {"number": "source", "verb": "source", "who": "link", "things": "link"}
_STATED = re.compile(r" has (\d+) ")


@dataclass(frozen=True, slots=True)
class Course:
    """How a number runs: from `start` by `changes`, each added."""

    start: int
    changes: tuple[int, ...]

    @property
    def totals(self) -> tuple[int, ...]:
        """The number after each change."""
        return tuple(self.start + sum(self.changes[: n + 1]) for n in range(len(self.changes)))

    @property
    def held_out(self) -> bool:
        """Whether this course is kept out of training."""
        return zlib.crc32(f"{self.start}|{self.changes}".encode()) % HELD_OUT_SHARE == 0


@dataclass(frozen=True, slots=True)
class NumberItem:
    """A prompt that ends in "Answer:", its right number, and the words that decide it.

    `wordings` are the three right continuations, each after a space.
    """

    prompt: str
    answer: int
    course: Course
    wordings: dict[Wording, str]
    carriers: tuple[Carrier, ...]


def answer_read(text: str) -> int | None:
    """The number that a continuation states; None where it states none."""
    found = _STATED.search(text)
    return int(found[1]) if found else None


def number_item(rng: Random, *, held_out: bool = True) -> NumberItem:
    """One number story; `held_out` chooses whether training never sees its course."""
    course = _course_draw(rng)
    while course.held_out != bool(held_out):
        course = _course_draw(rng)
    cast = Cast(rng)
    words = {"who": cast.deal("person"), "other": cast.deal("person")}
    words |= {"things": cast.deal("things"), "others": cast.deal("things")}
    prompt, carriers = _story(rng, course, words)
    wordings = {wording: _answer(wording, course, words) for wording in WORDINGS}
    return NumberItem(prompt, course.totals[-1], course, wordings, tuple(carriers))


def number_document(rng: Random) -> Document:
    """A training text: one number story with its answer in one of the wordings.

    The whole answer is `kept`: each of its tokens has the same weight, so that wordings are
    learnt with their frequencies.
    """
    item = number_item(rng, held_out=False)
    wording = rng.choices(list(WORDINGS), list(WORDINGS.values()))[0]
    text = f"{item.prompt} {item.wordings[wording]}"
    return Document(text, (), item.carriers, kept=((len(item.prompt) + 1, len(text)),))


def numbers_asked(rng: Random) -> Document:
    """A drill: one number story with its answer, of which only the numbers are asked."""
    item = number_item(rng, held_out=False)
    wording = rng.choices(list(WORDINGS), list(WORDINGS.values()))[0]
    text = f"{item.prompt} {item.wordings[wording]}"
    numbers = re.compile(r"\d+").finditer(text, len(item.prompt))
    return Document(text, tuple(number.span() for number in numbers), ())


def sums(rng: Random) -> Document:
    """A drill: single steps of courses, "5 + 3 = 8.", the answers being the results."""
    return _steps_alone(rng, _equation)


def sums_in_words(rng: Random) -> Document:
    """The same drill in words, "7 without 1 leaves 6."."""
    return _steps_alone(rng, _in_words)


def _steps_alone(rng: Random, say: Callable[[int, int], str]) -> Document:
    text, answers = "", list[Span]()
    for _ in range(rng.randint(6, 12)):
        course = _course_draw(rng)
        text += f" {say(course.start, course.changes[0]).removesuffix('.')}"
        result = len(str(course.totals[0]))
        answers.append((len(text) - result, len(text)))
        text += "."
    return Document(text.lstrip(), tuple((a - 1, b - 1) for a, b in answers), ())


def _course_draw(rng: Random) -> Course:
    """A course with every total in `TOTAL`."""
    while True:
        changes = [rng.choice((1, -1)) * rng.randint(*CHANGE) for _ in range(rng.randint(*CHANGES))]
        course = Course(rng.randint(*START), tuple(changes))
        if all(TOTAL[0] <= total <= TOTAL[1] for total in course.totals):
            return course


def _story(rng: Random, course: Course, words: dict[str, str]) -> tuple[str, list[Carrier]]:
    """The prompt and the words that decide the answer: numbers, what happens, and to whom."""
    facts = [_fact(rng.choice(lexicon.COUNT), words, number=course.start)]
    for change in course.changes:
        verb, wording = rng.choice(GAIN if change > 0 else LOSS)
        facts.append(_fact(wording, {**words, "verb": verb}, number=abs(change)))
    if rng.random() < BYSTANDER_SHARE:
        bystander = _fact(rng.choice(BYSTANDER), words, number=rng.randint(*START))
        facts.insert(rng.randint(0, len(facts)), replace(bystander, roles={}))
    facts.append(Fact(ASK, words, {"things": "key", "who": "key"}))
    text, carriers = "", list[Carrier]()
    for fact in facts:
        sentence, marks = fact.render(len(text))
        text, carriers = f"{text}{sentence} ", carriers + marks
    return text.rstrip(), carriers


def _fact(wording: str, words: dict[str, str], *, number: int) -> Fact:
    return Fact(wording, {**words, "number": str(number)}, ROLES)


def _answer(wording: Wording, course: Course, words: dict[str, str]) -> str:
    stated = f"{words['who']} has {course.totals[-1]} {words['things']}"
    before = (course.start, *course.totals)
    steps = list(zip(before, course.changes, strict=False))
    if wording == "words":
        sentences = [_in_words(total, change) for total, change in steps]
        return f"{' '.join(sentences)} So {stated}."
    equations = [_equation(total, change) for total, change in steps]
    if wording == "result first":
        return f"{stated}, because {' and '.join(equations)}."
    return f"{_sentences(equations)} So {stated}."


def _sentences(equations: Sequence[str]) -> str:
    heads = ["First", *["Then"] * (len(equations) - 1)]
    return " ".join(f"{head} {equation}." for head, equation in zip(heads, equations, strict=True))


def _equation(total: int, change: int) -> str:
    return f"{total} {'+' if change > 0 else '-'} {abs(change)} = {total + change}"


def _in_words(total: int, change: int) -> str:
    if change > 0:
        return f"{total} and {change} more make {total + change}."
    return f"{total} without {-change} leaves {total + change}."
