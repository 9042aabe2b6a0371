"""What the config classes of transformers call their sizes, and what they assume.

`python -m analysis.loading.config_classes` writes it for `analysis.catalog.sizes`.
"""

import json
import warnings
from typing import Any

from transformers import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)

from analysis.catalog.sizes import CLASSES

SIZES = {
    "layers": ("num_hidden_layers",),
    "heads": ("num_attention_heads",),
    "key_value_heads": ("num_key_value_heads",),
    "width": ("hidden_size",),
    "context": ("max_position_embeddings", "max_seq_len"),
    "vocabulary": ("vocab_size",),
}
BY_LAYER = "a list, one for each layer"
TASKS = (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)


def config_classes() -> dict[str, dict[str, Any]]:
    """By `model_type` of a model that reads text: the key of its text part, keys and defaults."""
    found: dict[str, dict[str, Any]] = {}
    for name in sorted({name for task in TASKS for name in task}):
        config = _built(name)
        if config is not None:
            text = config.get_text_config(decoder=True)
            found.setdefault(text.model_type, _sizes(text))
            found[name] = {**_text_key(config, text), **_sizes(text)}
    return dict(sorted(found.items()))


def _built(name: str) -> Any:
    """A configuration of defaults; None where a class allows none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return CONFIG_MAPPING[name]()
    except Exception:  # noqa: BLE001 (a class may refuse its own defaults in any way)
        return None


def _text_key(config: Any, text: Any) -> dict[str, str]:
    keys = [key for key in config.sub_configs if getattr(config, key, None) is text]
    return {"text": keys[0]} if keys else {}


def _sizes(text: Any) -> dict[str, list[Any]]:
    """By size the key and the default (None: it differs by layer); what a class has not is out."""
    found = {}
    for size, names in SIZES.items():
        values = [(name, _value(text, name)) for name in names]
        given = [(name, value) for name, value in values if value is not None]
        if given:
            name, value = given[0]
            key = type(text).attribute_map.get(name, name)
            found[size] = [key, value if isinstance(value, int) else None]
    return found


def _value(text: Any, name: str) -> Any:
    try:
        return getattr(text, name, None)
    except RuntimeError:  # it differs by layer
        return BY_LAYER


def written() -> str:
    """The file: one class a line."""
    lines = [f"{json.dumps(name)}: {json.dumps(v)}" for name, v in config_classes().items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    CLASSES.write_text(written())
