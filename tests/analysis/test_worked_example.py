"""The method that docs/adding-a-method.md writes is one: it runs, and its numbers are right."""

import re
from copy import deepcopy
from pathlib import Path
from types import ModuleType

import pytest
import torch

from analysis import method
from analysis.errors import PromptTooLong
from analysis.model import Model
from analysis.run_context import RunContext

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "adding-a-method.md"


@pytest.fixture(scope="module")
def example() -> method.Method:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    module = ModuleType("analysis.methods.entropy")
    exec(compile(code, str(DOCUMENT), "exec"), module.__dict__)
    return method.read(module)


def test_the_worked_example_is_a_method(example: method.Method) -> None:
    assert (example.stem, example.needs) == ("entropy", ("causal_lm",))
    assert example.title == "Entropy: how uncertain is the model after each token?"
    assert example.check(example.examples[0].params)
    assert set(example.event_schema()["$defs"]) >= {"TokenEntropy", "Progress"}


def test_its_numbers_are_those_of_plain_transformers(example: method.Method, model: Model) -> None:
    prompt = "Anna has the ball."
    events = [
        event.model_dump()
        for event in example.run(model, example.check({"prompt": prompt}), RunContext())
    ]
    ids = model.tokenizer(prompt)["input_ids"]
    with torch.inference_mode():
        exact = deepcopy(model.plain).double()
        log_TV = exact(torch.tensor([ids])).logits[0].log_softmax(-1)
    expected_T = -(log_TV.exp() * log_TV).sum(-1)
    assert "".join(event["text"] for event in events).endswith(prompt)
    assert [event["nats"] for event in events] == pytest.approx(expected_T.tolist(), abs=1e-5)


def test_it_refuses_what_is_too_long(example: method.Method, model: Model) -> None:
    params = example.check({"prompt": "ball " * (model.info.context + 1)})
    with pytest.raises(PromptTooLong):
        list(example.run(model, params, RunContext()))
