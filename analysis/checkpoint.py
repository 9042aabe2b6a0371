"""What a checkpoint brings beside its weights that changes a run, or `generate` would obey."""

import json
from typing import Any

from transformers import GenerationConfig, PreTrainedTokenizerBase

from analysis import chat_template
from analysis.codec import acts
from analysis.events import Brings

# What decides which tokens `generate` chooses; ids of special tokens and lengths do not.
DECIDING = (
    "do_sample", "temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff",
    "eta_cutoff", "repetition_penalty", "encoder_repetition_penalty", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size", "bad_words_ids", "suppress_tokens", "begin_suppress_tokens",
    "forced_bos_token_id", "forced_eos_token_id", "min_length", "min_new_tokens", "num_beams",
    "length_penalty", "penalty_alpha", "exponential_decay_length_penalty", "sequence_bias",
    "guidance_scale",
)  # fmt: skip


def generation_asks(config: GenerationConfig | None) -> dict[str, Any]:
    """The fields of generation_config.json that `generate` would obey, where not at their default.

    Temperature and truncations count only together with `do_sample`.
    """
    if config is None:
        return {}
    differing = config.to_diff_dict()
    found = {name: differing[name] for name in DECIDING if differing.get(name) is not None}
    return {name: value for name, value in found.items() if _is_json(value)}


def brought(model: Any, owner: Any, day: str) -> Brings | None:
    """None: nothing of the kind. `owner` has the chat template, which takes `day` for today."""
    template = chat_template.template_of(owner) or ""
    found = Brings(
        template_date=day if chat_template.uses_date(template) else None,
        generation=generation_asks(getattr(model, "generation_config", None)),
        pad_word=_pad_word(getattr(owner, "tokenizer", owner)),
    )
    return None if found == Brings() else found


def _pad_word(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The padding token, where it is an ordinary entry of the vocabulary."""
    pad = tokenizer.pad_token_id
    added = tokenizer.added_tokens_decoder.get(pad) if isinstance(pad, int) else None
    marked = added is not None and added.special and acts(str(tokenizer.pad_token))
    ordinary = pad is not None and not marked
    return str(tokenizer.pad_token) if ordinary else None


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
