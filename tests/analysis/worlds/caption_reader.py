"""Reads a caption of shapes by its words alone, knowing nothing of how it was made."""

import re

COLOURS = {
    "red": "red", "scarlet": "red", "green": "green", "emerald": "green", "blue": "blue",
    "navy": "blue", "yellow": "yellow", "golden": "yellow", "purple": "purple",
    "violet": "purple", "orange": "orange", "amber": "orange",
}  # fmt: skip
SHAPES = {
    "circle": "circle", "disc": "circle", "square": "square", "box": "square",
    "triangle": "triangle", "wedge": "triangle", "cross": "cross", "plus sign": "cross",
}  # fmt: skip
THINGS = {
    "cherry": "red circle", "brick": "red square", "first aid sign": "red cross",
    "lime": "green circle", "pine tree": "green triangle", "pharmacy sign": "green cross",
    "swimming pool": "blue square", "sail": "blue triangle", "lemon": "yellow circle",
    "sticky note": "yellow square", "slice of cheese": "yellow triangle",
    "plum": "purple circle", "party hat": "purple triangle", "basketball": "orange circle",
    "traffic cone": "orange triangle",
}  # fmt: skip
BARE = {"circle": "blue", "square": "yellow", "triangle": "red", "cross": "green"}
# Appearance in isolation, and what of it remains next to another item.
CHANGING = {
    "ball": ("blue circle", "circle"), "tile": ("yellow square", "square"),
    "kite": ("red triangle", "triangle"), "badge": ("green cross", "cross"),
    "charm": ("purple cross", None), "toy": ("orange square", None),
}  # fmt: skip
JOINTS = re.compile(r", | and | next to | with | beside ")
OPENING = re.compile(r"^(a picture of|a drawing of|there is) ")


def read(text: str) -> list[tuple[str, str]]:
    """Colour and shape of what each phrase stands for."""
    phrases = JOINTS.split(OPENING.sub("", text))
    plain = [_plain(phrase) for phrase in phrases]
    return [_in_company(phrase, plain, number) for number, phrase in enumerate(phrases)]


def _find(phrase: str, words: dict[str, str]) -> str | None:
    found = [meaning for word, meaning in words.items() if re.search(rf"\b{word}\b", phrase)]
    return found[0] if found else None


def _plain(phrase: str) -> tuple[str | None, str] | None:
    """The appearance of the phrase in isolation; None for a word that depends on another item."""
    if thing := _find(phrase, THINGS):
        colour, shape = thing.split()
        return colour, shape
    shape = _find(phrase, SHAPES)
    return (_find(phrase, COLOURS), shape) if shape else None


def _in_company(
    phrase: str, plain: list[tuple[str | None, str] | None], number: int
) -> tuple[str, str]:
    others = [each for at, each in enumerate(plain) if at != number and each and each[0]]
    own = plain[number]
    if own:
        return (own[0] or (others[0][0] if others else BARE[own[1]]), own[1])
    alone, kept = next(CHANGING[word] for word in CHANGING if re.search(rf"\b{word}\b", phrase))
    colour, shape = alone.split()
    return (others[0][0], kept or others[0][1]) if others else (colour, shape)
