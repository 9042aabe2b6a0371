"""The words of the story world and the wordings of its facts.

A wording is a sentence with `{slot}` marks. Every word that can fill a slot is one token of the
bundled tokenizer, so that a slot is one input position of a model.
"""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SHE_NAMES = _words(
    "Anna Mia Lucy Emma Nora Ella Clara Rosa Ida Julia Maria Sara Alice Eva Lena Ruby Olive Hanna"
)
HE_NAMES = _words(
    "Tom Ben Max Leo Sam Paul Hugo Oscar Felix Adam Jack Noah Peter Liam Simon David Henry Carl"
)
PEOPLE = SHE_NAMES + HE_NAMES

# Every thing takes "a", every place goes with "in the" and "to the".
THINGS = _words(
    "ball book key lamp cup hat coat map rope drum kite doll ring clock candle hammer shovel "
    "mirror pencil guitar blanket lantern camera letter pillow spoon bottle trumpet whistle "
    "ladder broom towel"
)
BOXES = _words("box bag basket bucket chest jar suitcase backpack crate drawer")
PLACES = _words(
    "kitchen garden park school library hall attic cellar barn forest market office bedroom "
    "bathroom garage shed castle church museum bakery tower yard stable theater hotel cave"
)
COUNTED = _words(
    "apples pears coins shells marbles nuts eggs stamps buttons carrots plums stones cookies "
    "lemons feathers cherries beads potatoes tickets stickers"
)
NUMBERS = _words("two three four five six seven eight nine ten eleven twelve")

HOLD = (
    "{who} has the {thing}.",
    "{who} took the {thing}.",
    "{who} picked up the {thing}.",
    "{who} found the {thing}.",
    "{who} is holding the {thing}.",
    "{who} got the {thing}.",
    "The {thing} is with {who}.",
    "The {thing} is held by {who}.",
    "The {thing} was taken by {who}.",
    "The {thing} was found by {who}.",
)
GIVE = (
    "{who} gave the {thing} to {to}.",
    "{who} passed the {thing} to {to}.",
    "{who} handed the {thing} to {to}.",
    "Then {who} gave the {thing} to {to}.",
    "Then {to} took the {thing} from {who}.",
)
STAY = (
    "{who} is in the {place}.",
    "{who} went to the {place}.",
    "{who} walked to the {place}.",
    "{who} ran to the {place}.",
    "{who} is waiting in the {place}.",
)
MOVE = (
    "Then {who} went to the {place}.",
    "Later, {who} walked to the {place}.",
    "After that, {who} went to the {place}.",
    "Now {who} is in the {place}.",
)
LIE = (
    "The {thing} is in the {place}.",
    "The {thing} was left in the {place}.",
    "There is a {thing} in the {place}.",
    "Someone put the {thing} in the {place}.",
)
CARRY = (
    "{who} carried the {thing} to the {place}.",
    "{who} brought the {thing} to the {place}.",
    "{who} left the {thing} in the {place}.",
)
INSIDE = (
    "The {thing} is in the {box}.",
    "The {thing} is inside the {box}.",
    "There is a {thing} inside the {box}.",
    "Someone put the {thing} into the {box}.",
)
COUNT = (
    "{who} has {number} {things}.",
    "{who} found {number} {things}.",
    "{who} got {number} {things}.",
    "{who} picked up {number} {things}.",
)
COUNT_INSIDE = (
    "There are {number} {things} in the {box}.",
    "There are {number} {things} inside the {box}.",
    "Someone put {number} {things} into the {box}.",
)
COUNT_PLACE = (
    "There are {number} {things} in the {place}.",
    "Someone left {number} {things} in the {place}.",
)
SAME_COUNT = (
    "{who} has as many {things} as {other}.",
    "{who} has just as many {things} as {other}.",
)
ASK_WHO = ("Who has the {thing}?", "Who has the {thing} now?")
ASK_WHERE_THING = ("Where is the {thing}?", "Where is the {thing} now?")
ASK_WHERE_PERSON = ("Where is {who}?", "Where is {who} now?")
ASK_COUNT = ("How many {things} does {who} have?",)
ASK_COUNT_PLACE = ("How many {things} are in the {place}?",)

OPENINGS = (
    "It was a sunny day.",
    "It was a cold morning.",
    "It was late in the evening.",
    "It was raining outside.",
    "Everyone was busy that day.",
    "The birds were singing.",
    "Snow was falling.",
    "It was a quiet afternoon.",
)
ASIDES = (
    "The wind was strong.",
    "A dog was barking.",
    "Nobody said a word.",
    "The sun was shining.",
    "Somebody was laughing.",
    "It was almost time for dinner.",
    "The stairs were creaking.",
    "A cat was sleeping by the door.",
    "They had a lot to do.",
    "Music was playing.",
)
