"""Answers a question story by reading it, knowing nothing of how it was made."""

import re

LAYOUT = re.compile(r"(.*) Question: (.*\?) Answer:", re.DOTALL)
OPENER = r"(?:Then |Later, |After that, |Now )?"
NUMBER = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"

GIVE = re.compile(OPENER + r"(\w+) (?:gave|passed|handed) the (\w+) to (?P<to>\w+)\.")
TAKE = re.compile(OPENER + r"(?P<to>\w+) took the (\w+) from (\w+)\.")
HOLD = re.compile(r"(\w+) (?:has|took|picked up|found|is holding|got) the (\w+)\.")
HELD = re.compile(r"The (\w+) (?:is with|is held by|was taken by|was found by) (\w+)\.")
LIE = re.compile(r"The (\w+) (?:is|was left) (?:in|inside) the (\w+)\.")
THERE = re.compile(r"There is a (\w+) (?:in|inside) the (\w+)\.")
PUT = re.compile(r"Someone put the (\w+) (?:in|into) the (\w+)\.")
CARRY = re.compile(r"\w+ (?:carried|brought|left) the (\w+) (?:to|in) the (\w+)\.")
MOVE = re.compile(OPENER + r"(\w+) (?:is|is waiting|went|walked|ran) (?:in|to) the (\w+)\.")
SAME = re.compile(r"(\w+) has (?:just )?as many (\w+) as (\w+)\.")
COUNT = re.compile(rf"(?P<owner>\w+) (?:has|found|got|picked up) (?P<n>{NUMBER}) (?P<what>\w+)\.")
LYING = re.compile(
    rf"(?:There are|Someone put|Someone left) (?P<n>{NUMBER}) (?P<what>\w+) "
    r"(?:in|into|inside) the (?P<owner>\w+)\."
)


class World:
    """What a reader knows: what each thing or person is at, and who or what has how many."""

    def __init__(self) -> None:
        self.at: dict[str, str] = {}
        self.counts: dict[tuple[str, str], str] = {}
        self.same: dict[tuple[str, str], str] = {}

    def read(self, sentence: str) -> None:
        """Takes in one sentence; one that states no fact changes nothing."""
        if found := GIVE.fullmatch(sentence) or TAKE.fullmatch(sentence):
            self.at[found[2]] = found["to"]
        elif found := HOLD.fullmatch(sentence):
            self.at[found[2]] = found[1]
        elif found := SAME.fullmatch(sentence):
            self.same[found[1], found[2]] = found[3]
        elif found := COUNT.fullmatch(sentence) or LYING.fullmatch(sentence):
            self.counts[found["owner"], found["what"]] = found["n"]
        else:
            for pattern in (HELD, LIE, THERE, PUT, CARRY, MOVE):
                if found := pattern.fullmatch(sentence):
                    self.at[found[1]] = found[2]

    def chain(self, entity: str) -> list[str]:
        """Where `entity` is, where that is, and so on."""
        found: list[str] = []
        while entity in self.at and self.at[entity] not in found:
            entity = self.at[entity]
            found.append(entity)
        return found

    def count(self, owner: str, what: str) -> str | None:
        """How many of `what` somebody or some place has, directly, by comparison or in a box."""
        if (owner, what) in self.counts:
            return self.counts[owner, what]
        if (owner, what) in self.same:
            return self.count(self.same.pop((owner, what)), what)
        boxes = [thing for thing, place in self.at.items() if place == owner]
        inside = [self.counts[box, what] for box in boxes if (box, what) in self.counts]
        return inside[0] if inside else None


def solve(prompt: str) -> str | None:
    """The answer to a prompt of the layout "story Question: ... Answer:", None if it has none."""
    layout = LAYOUT.fullmatch(prompt)
    if layout is None:
        return None
    world = World()
    for sentence in re.findall(r"[^.]+\.", layout[1]):
        world.read(sentence.strip())
    return _answer(world, layout[2])


def _answer(world: World, question: str) -> str | None:
    if found := re.fullmatch(r"How many (\w+) does (\w+) have\?", question):
        return world.count(found[2], found[1])
    if found := re.fullmatch(r"How many (\w+) are in the (\w+)\?", question):
        return world.count(found[2], found[1])
    if found := re.fullmatch(r"Who has the (\w+)(?: now)?\?", question):
        return next((end for end in world.chain(found[1]) if end[0].isupper()), None)
    if found := re.fullmatch(r"Where is (?:the )?(\w+)(?: now)?\?", question):
        end = (world.chain(found[1]) or [None])[-1]
        return None if end is None or end[0].isupper() else end
    return None
