"""Examples of Graph-KV: defaults of the form, gallery and test data."""

from analysis.method import Example

LETTER = [
    {"id": "hanna", "text": "Hanna ran to the park.", "score": 0.4},
    {"id": "letter", "text": "Ella took the letter.", "score": 0.9},
    {"id": "later", "text": "After that, Hanna went to the kitchen.", "score": 0.3},
    {"id": "ella", "text": "Ella went to the castle.", "score": 0.6},
    {"id": "cup", "text": "The cup is with Hanna.", "score": 0.2},
]

EXAMPLES = (
    Example(
        name="Five pears in a drawer",
        look_for="The answer requires two segments. Cutting drawer → simon makes it wrong; "
        "cutting sam → carl has no effect. Without edges the model answers seven.",
        model="demo-lm",
        params={
            "segments": [
                {"id": "carl", "text": "Carl picked up seven pears."},
                {"id": "drawer", "text": "Someone put five pears into the drawer."},
                {"id": "sam", "text": "Sam got three pears."},
                {"id": "simon", "text": "Simon picked up the drawer."},
            ],
            "edges": [
                {"source": "drawer", "target": "simon"},
                {"source": "sam", "target": "carl"},
            ],
            "question": "Question: How many pears does Simon have? Answer:",
            "answer": " five",
            "max_new_tokens": 2,
        },
    ),
    Example(
        name="In any order",
        look_for="With shared positions, every order of the segments gives the same answer. As "
        "one sequential text, the answer depends on the order and is wrong for the given order.",
        model="demo-lm",
        params={
            "segments": LETTER,
            "edges": [
                {"source": "letter", "target": "ella"},
                {"source": "cup", "target": "hanna"},
            ],
            "question": "Question: Where is the letter now? Answer:",
            "answer": " castle",
            "max_new_tokens": 2,
            "permutations": 16,
        },
    ),
    Example(
        name="Draw the missing edge",
        look_for="The only edge does not help, and the model answers six. Draw leo → ella and run "
        "again: it answers eight.",
        model="demo-lm",
        params={
            "segments": [
                {"id": "ella", "text": "Ella has as many shells as Leo."},
                {"id": "theater", "text": "Someone left seven shells in the theater."},
                {"id": "leo", "text": "Leo has eight shells."},
                {"id": "maria", "text": "Maria picked up six shells."},
            ],
            "edges": [{"source": "theater", "target": "maria"}],
            "question": "Question: How many shells does Ella have? Answer:",
            "answer": " eight",
            "max_new_tokens": 2,
        },
    ),
    Example(
        name="Edges from retriever scores",
        look_for="Every segment attends to the one with the highest score. Not every edge helps: "
        "without letter → hanna the answer is right again.",
        model="demo-lm",
        params={
            "segments": LETTER,
            "preset": "top_m",
            "top_m": 1,
            "question": "Question: Where is the letter now? Answer:",
            "answer": " castle",
            "max_new_tokens": 2,
        },
    ),
    Example(
        name="A cycle in two rounds",
        look_for="Two segments attend to each other: each is encoded alone, then in two rounds "
        "with the other's encoding of the previous round. As one sequential text, the answer is "
        "wrong.",
        model="demo-lm",
        params={
            "segments": [
                {"id": "julia", "text": "Julia ran to the yard."},
                {"id": "pillow", "text": "The pillow was taken by Julia."},
                {"id": "tom", "text": "Tom walked to the church."},
                {"id": "spoon", "text": "Tom found the spoon."},
                {"id": "later", "text": "Later, Tom walked to the forest."},
            ],
            "edges": [
                {"source": "pillow", "target": "julia"},
                {"source": "julia", "target": "pillow"},
            ],
            "rounds": 2,
            "question": "Question: Where is the pillow now? Answer:",
            "answer": " yard",
            "max_new_tokens": 2,
        },
    ),
)
