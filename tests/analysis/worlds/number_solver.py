"""Answers a number story by reading it, knowing nothing of how it was made."""

import re

ASKED = re.compile(r"Question: How many (\w+) does (\w+) have now\? Answer:")
STARTS = re.compile(r"(\w+) (?:has|found|got|picked up) (\d+) (\w+)")
GIVES = re.compile(r"(\w+) gives (\d+)(?: more)? to (\w+)")
CHANGES = re.compile(r"(?:Then )?(\w+) (\w+) (\d+)(?: more)?")
GAINS = {"finds", "buys", "gets"}


def solve(prompt: str) -> int | None:
    """What the asked person has of the asked thing at the end; None where nothing says it."""
    asked = ASKED.search(prompt)
    if asked is None:
        return None
    things, who = asked.groups()
    held: int | None = None
    for sentence in prompt[: asked.start()].split("."):
        if (found := STARTS.fullmatch(sentence.strip())) and found[1] == who and found[3] == things:
            held = int(found[2])
        elif held is not None:
            held += _change(sentence.strip(), who)
    return held


def _change(sentence: str, who: str) -> int:
    if found := GIVES.fullmatch(sentence):
        return int(found[2]) * ((found[3] == who) - (found[1] == who))
    if (found := CHANGES.fullmatch(sentence)) and found[1] == who:
        return int(found[3]) if found[2] in GAINS else -int(found[3])
    return 0
