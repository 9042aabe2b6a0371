"""Refuses what a generator of texts and scenes cannot draw, before it loops forever."""

from collections.abc import Collection


class UnknownChoice(ValueError):
    """A generator was asked for what it does not have."""


def refuse_unknown(name: str, value: object, allowed: Collection[object]) -> None:
    """Raises UnknownChoice for a value outside `allowed`; None asks for any."""
    if value is not None and value not in allowed:
        choices = ", ".join(map(str, allowed))
        raise UnknownChoice(f"{name} is {value!r}; choose one of {choices}")
