"""Examples of LocalLeap: defaults of the form, gallery and test data."""

from analysis.method import Example

STATED = r"has (\d+)"  # the answer, as the bundled models phrase it
EXAMPLES = (
    Example(
        name="Anchors and their neighbours",
        look_for="Confident tokens (anchors) let their neighbours commit early. One token per "
        "step gives the same answer in several times as many steps. On this model the "
        "published thresholds reduce accuracy by 10 points; κ 0.99 with τ 0.9 reduces it "
        "by 2 at 8.6 steps.",
        model="demo-diffusion",
        params={
            "prompt": "Rosa picked up 19 nuts. Rosa finds 7 more. David has 11 buttons. "
            "Rosa loses 1. Question: How many nuts does Rosa have now? Answer:",
            "answer_pattern": STATED,
            "right_answer": "25",
        },
    ),
    Example(
        name="Delayed decoding",
        look_for="Look at the vanilla run: most positions predict their final token long before "
        "one token per step commits it.",
        model="demo-diffusion",
        params={
            "prompt": "Simon found 4 plums. Then Simon gets 6 more. Then Simon drops 8. Simon "
            "finds 5 more. Question: How many plums does Simon have now? Answer:",
            "answer_pattern": STATED,
            "right_answer": "7",
            "decoder": "vanilla",
        },
    ),
    Example(
        name="Thresholds that are too low",
        look_for="With τ = 0.3 and W = 16, neighbours are committed at low confidence. Decoding "
        "takes fewer steps, but the sum can be wrong.",
        model="demo-diffusion",
        params={
            "prompt": "Leo finds 7 buttons. Ida picked up 7 shells. Leo gives 3 more to Ida. Ida "
            "buys 9 more. Ida finds 8 more. Question: How many shells does Ida have now? Answer:",
            "answer_pattern": STATED,
            "right_answer": "27",
            "tau": 0.3,
            "width": 16,
        },
    ),
    Example(
        name="Early stopping and dual cache",
        look_for="Decoding stops once a finished block contains an end-of-text token. Keys and "
        "values outside the block are not recomputed (dual cache).",
        model="demo-diffusion",
        params={
            "prompt": "Julia got 9 buttons. Julia buys 4 more. Then Julia gets 6 more. Oscar finds "
            "14 feathers. Question: How many buttons does Julia have now? Answer:",
            "answer_pattern": STATED,
            "right_answer": "19",
            "eos_fill": True,
            "cache": "dual",
            "with_factor": False,
            "with_entropy_bound": False,
            "with_klass": False,
        },
    ),
)
