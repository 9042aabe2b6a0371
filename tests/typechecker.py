"""The checker of types and shapes that the tests put on each function of `analysis`."""

from beartype import BeartypeConf, FrozenDict, beartype
from pydantic import SerializationInfo

checked = beartype(
    conf=BeartypeConf(
        is_pep484_tower=True,  # an int where a float is declared, as for mypy
        hint_overrides=FrozenDict({SerializationInfo: object}),  # cannot be checked
    )
)
