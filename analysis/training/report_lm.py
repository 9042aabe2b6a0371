"""What `demo-lm` reaches: answers, number stories, and how often ReAGent finds the facts."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer

from analysis import run
from analysis.methods.reagent.estimators import top_set
from analysis.methods.reagent.events import Scores
from analysis.training.gates_lm import (
    ROLES,
    answers_right,
    carrier_positions,
    held_out_items,
    held_out_numbers,
    numbers_right,
    stops,
)
from analysis.training.report import Measured, plural
from analysis.training.train_lm import FOLDER
from analysis.worlds.facts import Role
from analysis.worlds.stories import StoryQuestion

MODEL = "demo-lm"
ITEMS = 1000  # per number of hops, and of number stories
ATTRIBUTED_ITEMS = 150  # per number of hops
TOP = 3
HOT = 1.2  # a temperature at which sampling makes mistakes


def lm_rows() -> list[Measured]:
    """All rows for the committed weights."""
    items = {hops: held_out_items(ITEMS, hops=hops) for hops in (1, 2)}
    measured, right = measure_answers(items)
    attributed = [
        item
        for each in items.values()
        for item in [item for item in each if item in right][:ATTRIBUTED_ITEMS]
    ]
    return [*measured, *measure_numbers(), *measure_attribution(attributed)]


def measure_answers(
    items_by_hops: dict[int, list[StoryQuestion]],
) -> tuple[list[Measured], set[StoryQuestion]]:
    """Accuracy by hops and by plan, and the items answered correctly."""
    model = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    by_plan, right = defaultdict[str, list[bool]](list), set[StoryQuestion]()
    measured = []
    for hops, items in items_by_hops.items():
        hits = answers_right(model, tokenizer, items)
        required = {1: 0.97, 2: 0.9}[hops]
        measured.append(
            Measured(f"accuracy, {plural(hops, 'hop')}", fmean(hits), len(hits), required)
        )
        for item, hit in zip(items, hits, strict=True):
            by_plan[f"- {item.plan}, {plural(hops, 'hop')}"].append(hit)
        right |= {item for item, hit in zip(items, hits, strict=True) if hit}
    ends = stops(model, tokenizer, sorted(right, key=lambda item: item.prompt))
    measured += [Measured(name, fmean(hits), len(hits)) for name, hits in sorted(by_plan.items())]
    return [*measured, Measured("stops after a correct answer", fmean(ends), len(ends))], right


def top_positions(item: StoryQuestion, *, top: int) -> frozenset[int]:
    """The prompt positions to which ReAGent (default budget) attributes the answer's token."""
    params = {
        "prompt": item.prompt,
        "max_new_tokens": 1,
        "faithfulness": False,
        "baselines": False,
    }
    events = run("reagent", model=MODEL, params=params)
    maps = [event for event in events if isinstance(event, Scores)][-1]
    scored_N = np.arange(maps.mean.shape[1]) < maps.valid[0]
    return top_set(maps.mean[0], scored_N & (maps.standard_error[0] > 0), top)


def measure_attribution(items: Sequence[StoryQuestion]) -> list[Measured]:
    """Shares of `items` with a carrier among the top positions, any and by role."""
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    found: list[set[Role]] = []
    for item in tqdm(items, desc="attributing", unit="item"):
        top = top_positions(item, top=TOP)
        places = carrier_positions(tokenizer, item)
        found.append({role for role in ROLES if top.intersection(places[role])})
    name = f"ReAGent top {TOP} contains"
    return [
        Measured(f"{name} a carrier", fmean(bool(roles) for roles in found), len(found), 0.95),
        *(
            Measured(f"{name} a {role}", fmean(role in roles for roles in found), len(found))
            for role in ROLES
        ),
    ]


def measure_numbers() -> list[Measured]:
    """Shares of number stories answered correctly, greedily and sampled."""
    model = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    items = held_out_numbers(ITEMS)
    greedy = fmean(numbers_right(model, tokenizer, items))
    sampled = fmean(numbers_right(model, tokenizer, items, temperature=HOT))
    return [
        Measured("number stories, greedy", greedy, ITEMS, required=0.8, limit=0.99),
        Measured(f"number stories, sampled at T = {HOT}", sampled, ITEMS),
        Measured("greedy minus sampled", greedy - sampled, ITEMS, required=0.1),
    ]
