"""Settings of a checkpoint that change a run, or that `generate` would obey."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from transformers import GenerationConfig, PreTrainedTokenizerBase

from analysis.catalog.codec import acts
from analysis.events import Brings
from analysis.model import chat_template
from analysis.model.logit_processors import PROCESSORS, WARPERS, neutral

# What decides which tokens `generate` chooses; ids of special tokens and lengths do not.
LONGEST = 400  # characters of a value that traces tell
IDLE = {"do_sample": False, "num_beams": 1, "guidance_scale": 1, "length_penalty": 1}
DECIDING = (
    "do_sample", "temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff",
    "eta_cutoff", "repetition_penalty", "encoder_repetition_penalty", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size", "bad_words_ids", "suppress_tokens", "begin_suppress_tokens",
    "forced_bos_token_id", "forced_eos_token_id", "min_length", "min_new_tokens", "num_beams",
    "length_penalty", "penalty_alpha", "exponential_decay_length_penalty", "sequence_bias",
    "guidance_scale",
)  # fmt: skip
SAMPLED = ("temperature", "top_k", "top_p")  # of params that are no decoder's
GenerationConfigUse = Literal["leave", "apply"]
GENERATION_CONFIG = (
    "What the checkpoint's generation_config.json asks (a repetition penalty, a temperature and "
    "the like), which transformers' generate obeys: leave it and say so, or apply it in place of "
    "the values here."
)


def generation_asks(config: GenerationConfig | None) -> dict[str, Any]:
    """The fields of generation_config.json that `generate` would obey, where not at their default.

    Temperature and truncations count only together with `do_sample`.
    """
    if config is None:
        return {}
    differing = config.to_diff_dict()
    found = {name: differing[name] for name in DECIDING if differing.get(name) is not None}
    return {name: value for name, value in found.items() if _is_json(value)}


@dataclass(frozen=True)
class InForce:
    """What bends logits in a run: `values` by GenerationConfig's names.

    `applied` and `not_applied`: what the checkpoint asks, parted by whether the run does it.
    """

    values: dict[str, Any]
    applied: dict[str, Any]
    not_applied: dict[str, Any]


def in_force(
    asks: Mapping[str, Any], given: Mapping[str, Any], *, apply: bool, draws: bool
) -> InForce:
    """The form's values, or with `apply` what the checkpoint asks in their place.

    Temperature and truncations are taken only where the decoder `draws`, as `generate` does.
    """
    known = {*PROCESSORS, *(WARPERS if draws else ())}
    taken = {name: value for name, value in asks.items() if apply and name in known}
    values = {**given, **taken}
    done = {**values, "do_sample": draws}
    bear = {name: value for name, value in asks.items() if not _idle(name, value)}
    return InForce(
        values=values,
        applied={name: _told(value) for name, value in bear.items() if name in taken},
        not_applied={n: _told(value) for n, value in bear.items() if done.get(n) != value},
    )


def _told(value: Any) -> Any:
    """The value, or how long it is where an event should not hold it."""
    return value if len(json.dumps(value)) <= LONGEST else f"({len(value)} values)"


def _idle(name: str, value: Any) -> bool:
    return value == IDLE.get(name) or neutral(name, value)


def asked_of(model: Any, given: Mapping[str, Any], *, use: GenerationConfigUse) -> dict[str, Any]:
    """Values of which an output is written; `given` are the form's, temperature among them."""
    asks = generation_asks(model.plain.generation_config)
    return in_force(asks, given, apply=use == "apply", draws=given["temperature"] > 0).values


def applied_of(brings: Brings, params: Any) -> Brings:
    """With what a run of these params applies of generation_config.json, and what it does not.

    Decoding runs state it per decoder in `trace_start`; a given output is not generated.
    """
    if not brings.generation or hasattr(params, "decoder"):
        return brings
    given = {name: getattr(params, name) for name in SAMPLED if hasattr(params, name)}
    apply = getattr(params, "generation_config", "leave") == "apply"
    writes = not getattr(params, "continuation", "")
    draws = given.get("temperature", 0) > 0
    force = in_force(brings.generation, given, apply=apply and writes, draws=draws)
    settings = {"applied": force.applied, "not_applied": force.not_applied}
    return brings.model_copy(update=settings)


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
