"""Free stories without a question, so that a model of the story world can also just tell one."""

from random import Random

from analysis.worlds.lexicon import OPENINGS, PEOPLE, PLACES, SHE_NAMES, THINGS

_BEGINNINGS = (
    "One day, {hero} went to the {place}.",
    "One morning, {hero} was alone in the {place}.",
    "{hero} lived near the {place} with {her} mother.",
    "Once there was a child named {hero}, who loved the {place}.",
    "{hero} was walking to the {place}.",
    "Last summer, {hero} and {friend} went to the {place}.",
)
_WISHES = (
    "{she} was looking for the {thing}.",
    "{she} wanted to find a {thing}.",
    "{she} had lost {her} {thing} and was very sad.",
    "There {she_low} saw an old {thing} on the floor.",
    "{she} had always wanted a {thing}.",
    "{her_cap} mother had asked for the {thing}.",
)
_MEETINGS = (
    'Then {friend} came in and asked, "What are you doing?"',
    "In the {place}, {she_low} met {friend}.",
    "{friend} saw {hero} and smiled.",
    "Soon {friend} came to help.",
    "{friend} was already waiting there.",
    '"Can you help me?" {she_low} asked {friend}.',
)
_TURNS = (
    '"I have seen the {thing} in the {other_place}," said {friend}.',
    "Together they looked for the {thing} everywhere, even in the {other_place}.",
    "{friend} said that the {thing} was in the {other_place}.",
    "They ran to the {other_place} and found the {thing} under a table.",
    "So {hero} and {friend} walked to the {other_place} together.",
    '"Let us go to the {other_place}," said {hero}.',
)
_GIFTS = (
    "{friend} gave the {thing} to {hero}.",
    "At last {hero} picked up the {thing} and laughed.",
    "{hero} took the {thing} and thanked {friend}.",
    "There was the {thing}, behind the door.",
    "{friend} found the {thing} first and gave it to {hero}.",
)
_ENDINGS = (
    "They were both very happy.",
    "Then they went home and had dinner.",
    "From that day on, {hero} and {friend} were best friends.",
    "{hero} put the {thing} in {her} bag and went home.",
    "{hero} never lost the {thing} again.",
    '"Thank you," said {hero}, and they all went home.',
    "That night, {hero} slept well.",
)
_STAGES = (
    (_BEGINNINGS, 1.0),
    (_WISHES, 1.0),
    (_MEETINGS, 1.0),
    (_TURNS, 0.8),
    (_GIFTS, 0.8),
    (_ENDINGS, 1.0),
)


def tale(rng: Random) -> str:
    """One short story in five to seven sentences about a hero, a friend, a thing and two places."""
    slots = _tale_slots(rng)
    sentences = [rng.choice(OPENINGS)] if rng.random() < 0.3 else []
    for wordings, share in _STAGES:
        if rng.random() < share:
            sentences.append(rng.choice(wordings).format(**slots))
    return " ".join(sentences)


def _tale_slots(rng: Random) -> dict[str, str]:
    hero = rng.choice(PEOPLE)
    friend = rng.choice([name for name in PEOPLE if name != hero])
    place, other_place = rng.sample(PLACES, 2)
    she, her = ("She", "her") if hero in SHE_NAMES else ("He", "his")
    return {
        "hero": hero,
        "friend": friend,
        "place": place,
        "other_place": other_place,
        "thing": rng.choice(THINGS),
        "she": she,
        "she_low": she.lower(),
        "her": her,
        "her_cap": her.capitalize(),
    }
