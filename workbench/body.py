"""Parses a request's JSON and refuses values that cannot be stored or sent back."""

import json
import math
import re
from typing import Any, NoReturn

from django.http import HttpRequest
from ninja.parser import Parser

from analysis.errors import InvalidText, shortened
from workbench.errors import InvalidBody

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1  # the largest that a browser reads exactly
MAX_VALUES = 50_000  # in a request: parsed, each takes about a hundred times its bytes
STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class BodyParser(Parser):
    """JSON in UTF-8 with finite numbers and texts that PostgreSQL accepts."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        return parse_object(request.body)


def parse_object(content: bytes | str) -> dict[str, Any]:
    """The JSON object in `content`. Raises InvalidBody or InvalidText."""
    try:
        text = content.decode() if isinstance(content, bytes) else content
        check_value_count(text)
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidBody(
            f"This is not JSON in UTF-8: {shortened(str(error), 200)}.",
            remedy="Send a JSON object.",
        ) from None
    if not isinstance(value, dict):
        raise InvalidBody(
            f"This is a {type(value).__name__}, not an object.", remedy="Send a JSON object."
        )
    check_value(value, where="")
    return value


def check_value_count(text: str, *, limit: int = MAX_VALUES) -> None:
    """Refuse JSON of more than `limit` values before it is parsed. Raises InvalidBody."""
    if values_at_most(text) > limit and values_at_most(STRING.sub("", text)) > limit:
        raise InvalidBody(
            f"This holds more than {limit} values.", remedy="Send less, in several parts."
        )


def values_at_most(text: str) -> int:
    """An upper bound of the number of values; commas and brackets in strings count too."""
    return 1 + text.count(",") + text.count("[") + text.count("{")


def check_value(value: Any, *, where: str, depth: int = 0) -> None:
    """Refuse values that JSON allows but the database or a browser does not.

    Raises InvalidBody, InvalidText, naming the field `where`.
    """
    if depth > MAX_DEPTH:
        raise InvalidBody(
            f"This is nested deeper than {MAX_DEPTH} levels.", remedy="Send a flatter object."
        )
    if isinstance(value, str):
        check_text(value, where=where)
    elif isinstance(value, dict):
        for name, part in value.items():
            check_text(name, where=where)
            check_value(part, where=f"{where}.{name}".lstrip("."), depth=depth + 1)
    elif isinstance(value, list):
        for part in value:
            check_value(part, where=where, depth=depth + 1)
    elif isinstance(value, int | float):
        _check_number(value, where=where)


def check_text(text: str, *, where: str) -> None:
    """Raises InvalidText for lone surrogates and NUL."""
    for position, character in enumerate(text):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            what = "NUL" if character == "\0" else "half of a surrogate pair"
            name = f"U+{ord(character):04X}, {what}"
            raise InvalidText(
                f"Character {position} of {where or 'the object'} is {name}.",
                remedy="Remove that character.",
                field=where or None,
            )


def _check_number(value: float, *, where: str) -> None:
    if math.isfinite(value) and (isinstance(value, float) or abs(value) <= MAX_INTEGER):
        return
    raise InvalidBody(
        f"{where or 'A number'} is beyond ±{MAX_INTEGER}.",
        remedy="Send a smaller number.",
        field=where or None,
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
