"""Cuts outside an input of 7 tokens, 2 layers and 4 heads, and what the refusal says of each."""

from analysis.attention.edges import Cut

OUT_OF_RANGE = [
    (Cut((7,), (0,)), "query 7; there are 7"),
    (Cut((0,), (-1,)), "key -1; there are 7"),
    (Cut((0,), (1,), layers=(2,)), "layer 2; there are 2"),
    (Cut((0,), (1,), heads=(0, 4)), "head 4; there are 4"),
    (Cut((0,), (1,), rows=(2,)), "row 2; there are 2"),
]
