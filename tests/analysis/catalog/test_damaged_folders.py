"""A damaged model is listed with its problem, whatever its files hold, and hides no other model."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.catalog.card import read_card, read_measured
from analysis.catalog.entries import Catalog, Description, describe
from workbench.catalog.selectors import ModelDetail
from workbench.routes.catalog import model_facts

Write = Callable[..., Path]
WRONG = (None, True, -5, 0, 0.5, 10**30, 1e308, "", "x", "\ud800", "////", [], [[]], {}, {"a": {}})
TARGETS = ("config.json", "tokenizer.json", "tokenizer_config.json", "report.json")
ADDED = {"model.safetensors.index.json": {"weight_map": {"a": "model.safetensors"}},
         "report.json": [{"name": "gate", "share": 0.5, "items": 3}]}  # fmt: skip


def described(folder: Path) -> Description:
    """What the page of the model shows, checked against what the API answers."""
    found = describe(Catalog(bundled=folder.parent).find(folder.name))
    answer = model_facts(
        ModelDetail(
            description=found,
            revision=None,
            failed_checks={},
            self_check=None,
            checked_dtype=None,
            checked_at=None,
            card=read_card(folder),
            measured=read_measured(folder),
        )
    )
    json.dumps(answer.model_dump(), allow_nan=False)
    return found


def edit(file: Path, path: tuple[str | int, ...], value: object) -> None:
    whole = node = json.loads(file.read_text())
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    file.write_text(json.dumps(whole))


SPECIAL = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<no>", "type_id": 0}}],
           "pair": [], "special_tokens": {}}  # fmt: skip
WORD_PIECE = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
              "max_input_chars_per_word": 100, "vocab": {"a": 0}}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "path", "value", "named"),
    [
        ("tokenizer.json", ("normalizer",),
         {"type": "Precompiled", "precompiled_charsmap": "////"}, "tokenizer.json"),
        ("tokenizer.json", ("post_processor",), SPECIAL, "tokenizer.json"),
        ("tokenizer.json", ("model",), WORD_PIECE, r"unknown token '\[UNK\]'"),
        ("tokenizer.json", ("model",),
         {**WORD_PIECE, "vocab": {"[UNK]": 0}, "max_input_chars_per_word": 0}, "max_input_chars"),
        ("tokenizer.json", ("model",), {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "b"},
         "unknown token 'b'"),
        ("config.json", ("num_hidden_layers",), -5, "-5 as layers"),
        ("config.json", ("hidden_size",), 0, "0 as width"),
        ("config.json", ("num_key_value_heads",), [2, 2], "key value heads"),
        ("config.json", ("vocab_size",), True, "vocabulary"),
    ],
)  # fmt: skip
def test_a_damage_is_named(
    copy: Write, name: str, path: tuple[str, ...], value: object, named: str
) -> None:
    folder = copy("damaged")
    edit(folder / name, path, value)
    problem = described(folder).problem
    assert pytest.raises(AssertionError, match=named).matches(AssertionError(problem)), problem
    assert str(folder.parent) not in problem


def test_an_empty_vocabulary_is_named(copy: Write) -> None:
    folder = copy("damaged")
    whole = json.loads((folder / "tokenizer.json").read_text())
    whole |= {"added_tokens": [], "post_processor": None}
    whole["model"] |= {"vocab": {}, "merges": []}
    (folder / "tokenizer.json").write_text(json.dumps(whole))
    assert "empty vocabulary" in str(described(folder).problem)


@pytest.mark.parametrize("seed", range(40))
def test_no_damage_breaks_the_list(copy: Write, seed: int) -> None:
    """Each value of each file in turn becomes one of the wrong type or size, or the file is cut."""
    chance = random.Random(seed)
    folder = copy("damaged")
    for name, content in ADDED.items():
        (folder / name).write_text(json.dumps(content))
    kept = {name: (folder / name).read_bytes() for name in (*TARGETS, *ADDED)}
    for _ in range(25):
        name = chance.choice(list(kept))
        damage(folder / name, chance)
        described(folder)
        (folder / name).write_bytes(kept[name])
    assert described(folder).problem is None


def damage(file: Path, chance: random.Random) -> None:
    kind = chance.random()
    content = file.read_bytes()
    if kind < 0.15:
        file.write_bytes(content[: chance.randrange(len(content))])
    elif kind < 0.25:
        at = chance.randrange(len(content))
        file.write_bytes(content[:at] + chance.randbytes(3) + content[at + 3 :])
    else:
        whole = json.loads(content)
        edit(file, chance.choice(list(_places(whole))), chance.choice(WRONG))


def _places(node: Any, before: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Each place in a JSON value, of long lists only the beginning."""
    items: list[tuple[Any, Any]] = []
    if isinstance(node, dict):
        items = list(node.items())[:40]
    elif isinstance(node, list):
        items = list(enumerate(node))[:5]
    inner = [place for key, value in items for place in _places(value, (*before, key))]
    return [*((*before, key) for key, _ in items), *inner]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "README.md"])
def test_a_file_that_never_ends_is_not_read(copy: Write, name: str) -> None:
    folder = copy("damaged")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    described(folder)
