"""float64 is asked of no device that may lack it."""

import ast
from collections.abc import Iterator
from inspect import unwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from analysis.precision import WITHOUT_FLOAT64, exact

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "analysis").rglob("*.py"))
WIDENING = {"double", "to", "type", "type_as"}


class OnApple(SimpleNamespace):
    """A tensor on an Apple GPU, which this machine has none of: it only moves."""

    device = torch.device("mps")

    def __init__(self, values: torch.Tensor) -> None:
        super().__init__(cpu=lambda: values)


def test_values_of_a_device_without_float64_are_made_exact_on_the_cpu() -> None:
    values = torch.tensor([1.5, 1 / 3])
    found = unwrap(exact)(cast(Any, OnApple(values)))  # without the check of types
    assert found.device.type == "cpu"
    assert found.dtype == torch.float64
    assert torch.equal(found.float(), values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_values_stay_where_float64_is(dtype: torch.dtype) -> None:
    found = exact(torch.ones(3).to(dtype))
    assert found.dtype == torch.float64
    assert "cpu" not in WITHOUT_FLOAT64
    assert "cuda" not in WITHOUT_FLOAT64


def test_gradients_go_through() -> None:
    given = torch.tensor([2.0], requires_grad=True)
    exact(given).square().sum().backward()
    assert given.grad is not None
    assert given.grad.item() == 4


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_else_makes_a_tensor_double(file: Path) -> None:
    if file.name == "precision.py":
        return
    assert [call.lineno for call in calls(file.read_text()) if widens(call)] == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("x.double()", True),
        ("x.to(torch.float64)", True),
        ("x.to(dtype=torch.double)", True),
        ("torch.zeros(3, dtype=torch.float64, device=x.device)", True),
        ("torch.zeros(3, dtype=torch.float64)", False),
        ("x.to(x.device)", False),
        ("np.zeros(3, np.float64)", False),
        ("exact(x)", False),
    ],
)
def test_what_counts_as_making_double(code: str, found: object) -> None:
    assert any(map(widens, calls(code))) is found


def calls(code: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))


def widens(call: ast.Call) -> bool:
    """`.double()`, `.to(float64)`, or a new float64 tensor on a device that is named."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    wide = any(map(is_float64, [*call.args, *keywords.values()]))
    return name == "double" or (wide and (name in WIDENING or "device" in keywords))


def is_float64(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr in ("float64", "double")
        and isinstance(node.value, ast.Name)
        and node.value.id == "torch"
    )
