"""What a comment is on, in words: tokens by their text, counted from 1.

Layers and heads are numbered from 0, as in the pictures.
"""

from collections.abc import Mapping, Sequence
from typing import Any


def anchor_name(anchor: Mapping[str, Any], tokens: Sequence[str]) -> str:
    """`tokens`: texts by position; empty where the run names none."""
    match dict(anchor):
        case {"type": "token", "index": int(index)}:
            return _token(index, tokens)
        case {"type": "span", "start": int(start), "end": int(end)}:
            text = "".join(tokens[start:end])
            return f"tokens {start + 1} to {end}" + (f", “{text}”" if text else "")
        case {"type": "cell", "row": int(row), "column": int(column), **rest}:
            named = [name for name in ("layer", "head") if isinstance(rest.get(name), int)]
            names = [f"{name} {rest[name]}" for name in named]
            return ", ".join([f"row {row + 1}, column {column + 1}", *names])
        case {"type": "edge", "source": int(source), "target": int(target)}:
            return f"the edge from {_token(source, tokens)} to {_token(target, tokens)}"
        case {"type": "node", "id": str(name)}:
            return f"the node {name}"
        case {"type": "step", "index": int(index)}:
            return f"step {index + 1}"
    return "the panel"


def _token(index: int, tokens: Sequence[str]) -> str:
    text = tokens[index] if index < len(tokens) else ""
    return f"token {index + 1}" + (f", “{text}”" if text else "")
