"""Sizes of a model by config.json, under the names and defaults of its class in transformers.

Importing those classes imports torch, so what they say is kept in config_classes.json: for each
`model_type` the key of its text part, and for each size its key and default. It is made by
`make schema`; a test compares it with the installed transformers.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from analysis.catalog.files import read_json_if_there
from analysis.errors import ModelUnreadable, shortened

CLASSES = Path(__file__).with_name("config_classes.json")
# Keys of config.json after the class's own: of older files, and of classes not in transformers.
OTHER_KEYS = {
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "key_value_heads": ("num_key_value_heads", "n_kv_heads", "num_kv_heads"),
    "width": ("hidden_size", "n_embd", "n_embed", "d_model"),
    "context": ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len"),
    "vocabulary": ("embedding_size", "padded_vocab_size", "vocab_size"),
}
# ChatGLM's; BLOOM writes under the first the length of its training, which does not limit it.
UNKNOWN_KEYS = {"context": ("seq_length",), "key_value_heads": ("multi_query_group_num",)}
RENAMED = {"bloom": {"width": ("n_embed",)}, "falcon": {"width": ("n_embed",)}}  # win over others
# Their first position is the padding token's id + 1, and that many fewer tokens can be read.
POSITIONS_AFTER_PADDING = {
    "camembert", "data2vec-text", "longformer", "mpnet", "roberta", "roberta-prelayernorm",
    "xlm-roberta", "xlm-roberta-xl", "xmod",
}  # fmt: skip
NO_LIMIT = 10**9  # tokenizers without a limit of their own write a number far above

Known = dict[str, Any]  # of one class: "text", and by size [key, default]


@cache
def known_classes() -> dict[str, Known]:
    """By `model_type`, what config_classes.json holds."""
    found: dict[str, Known] = json.loads(CLASSES.read_text())
    return found


def has_no_attention(config: dict[str, Any]) -> bool:
    """Whether the class of a configuration counts layers and no heads."""
    known = known_classes().get(str(config.get("model_type")), {})
    return "layers" in known and "heads" not in known


def text_sizes(config: dict[str, Any], *, tokenizer: Path) -> dict[str, Any]:
    """Layers, heads, width, context and vocabulary of the part that reads text.

    Raises ModelUnreadable where one is neither given nor known.
    """
    text, known = _text_part(config)
    heads = _size("heads", text, known)
    return {
        "layers": _size("layers", text, known),
        "heads": heads,
        "key_value_heads": _key_value_heads(text, known) or heads,
        "width": _size("width", text, known),
        "context": _context(text, known, tokenizer),
        "vocabulary": _size("vocabulary", text, known),
    }


def _text_part(config: dict[str, Any]) -> tuple[dict[str, Any], Known]:
    """The values of the part that reads text, and what is known of its class."""
    outer = known_classes().get(str(config.get("model_type")), {})
    key = outer.get("text", "text_config")
    part = config.get(key) or config
    if not isinstance(part, dict):
        raise ModelUnreadable(
            f"{key} in config.json is not an object.", remedy="Save the model again."
        )
    return part, known_classes().get(str(part.get("model_type")), outer)


def _keys(size: str, text: dict[str, Any], known: Known) -> list[str]:
    renamed = RENAMED.get(str(text.get("model_type")), {}).get(size, ())
    own = known.get(size, [None])[0]
    unknown = () if known else UNKNOWN_KEYS.get(size, ())
    return [*renamed, *([own] if own else []), *OTHER_KEYS[size], *unknown]


def _given(size: str, text: dict[str, Any], known: Known) -> tuple[str, Any]:
    """The key and the value that config.json gives, None where it gives none."""
    keys = _keys(size, text, known)
    return next(((key, text[key]) for key in keys if text.get(key) is not None), (keys[0], None))


def _size(size: str, text: dict[str, Any], known: Known) -> int:
    key, found = _given(size, text, known)
    if found is None:
        found = known.get(size, [key, None])[1]
    if found is None:
        named = ", ".join(dict.fromkeys(_keys(size, text, known)))
        raise ModelUnreadable(
            f"config.json names none of: {named}.", remedy="Save the model again."
        )
    if not isinstance(found, int):
        raise ModelUnreadable(
            f"config.json gives {shortened(found)} as {key}; it must be a whole number.",
            remedy="Check that the folder holds the files of one checkpoint.",
        )
    return found


def _key_value_heads(text: dict[str, Any], known: Known) -> Any:
    """None where each head has its own; a default that is that of the heads follows them."""
    _, found = _given("key_value_heads", text, known)
    default = known.get("key_value_heads", [None, None])[1]
    return found or (default if default != known.get("heads", [None, None])[1] else None)


def _context(text: dict[str, Any], known: Known, tokenizer: Path) -> int:
    """Longest input in tokens, 0 where neither the model nor its tokenizer has a limit."""
    _, longest = _given("context", text, known)
    if longest is None:
        longest = known.get("context", [None, None])[1]
    if not isinstance(longest, int):
        limit = read_json_if_there(tokenizer, "tokenizer_config.json").get("model_max_length")
        return limit if isinstance(limit, int) and limit < NO_LIMIT else 0
    if text.get("model_type") in POSITIONS_AFTER_PADDING:
        pad = text.get("pad_token_id")
        return longest - (pad if isinstance(pad, int) else 1) - 1
    return longest
