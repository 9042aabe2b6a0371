"""The answer of a vision-language model about a picture, and its states.

Shape legend: L layers and one more (0: what enters the first block; last: after the final norm),
N positions of the whole sequence, T tokens of the answer, D state width.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from analysis.errors import ModelIncompatible
from analysis.events import Event, Omitted, Progress
from analysis.model import VisionLanguageModel
from analysis.model.media_tokens import media_tokens
from analysis.precision import exact
from analysis.text import tokenization


@dataclass(frozen=True)
class GreedyAnswer:
    """A greedy answer. `ids` are those of prompt and answer; `inputs` the model's inputs for both.

    `logprobs` (natural) are the answer's, one per token; `picture_ids` mark patches.
    """

    ids: list[int]
    prompt_length: int
    logprobs: list[float]
    inputs: dict[str, torch.Tensor]
    picture_ids: frozenset[int]

    @property
    def text_positions(self) -> list[int]:
        """Positions of text, including special tokens, before and after the picture."""
        pictured = [n for n, token in enumerate(self.ids) if token in self.picture_ids]
        first, last = (pictured[0], pictured[-1]) if pictured else (0, -1)
        return [n for n in range(len(self.ids)) if not first <= n <= last]


def write(
    model: VisionLanguageModel, picture: Image.Image, question: str, length: int
) -> Generator[Event, None, GreedyAnswer]:
    """Generate an answer greedily, up to `length` tokens; yields progress per token.

    A token of a picture, video or sound is no text and cannot be read back: the most probable
    other token is written in its place, and a note says so.
    """
    inputs = model.inputs(picture, question)
    prompt: list[int] = inputs["input_ids"][0].tolist()
    tokenization.check_length(len(prompt), output=length, context=model.info.longest)
    ids, logprobs = list(prompt), []
    replaced: dict[int, int] = {}
    for token, logprob, wanted in _tokens(model, inputs, length):
        ids.append(token)
        logprobs.append(logprob)
        if wanted != token:
            replaced[len(logprobs)] = wanted
        yield Progress(stage="answering", done=len(logprobs), total=length, unit="tokens")
    if replaced:
        yield _replaced_note(model, replaced)
    full = {**inputs, **_grown(inputs, ids, model.device)}
    return GreedyAnswer(ids, len(prompt), logprobs, full, frozenset([picture_token(model)]))


def _replaced_note(model: VisionLanguageModel, replaced: dict[int, int]) -> Omitted:
    """`replaced`: by the number of an answer's token, counted from 1, the token not written."""
    number, wanted = next(iter(replaced.items()))
    more = f" (and at {len(replaced) - 1} more)" if len(replaced) > 1 else ""
    return Omitted(
        analysis="A token of another medium in the answer",
        reason=f"At token {number}{more} the most probable token was "
        f"{model.tokenizer.convert_ids_to_tokens(wanted)}, which marks a picture, a video or a "
        "sound and is no text; the most probable other token was written.",
    )


def picture_token(model: VisionLanguageModel) -> int:
    """The id of the image token. Raises ModelIncompatible."""
    config: Any = model.plain.config
    for name in ("image_token_id", "image_token_index"):
        found = getattr(config, name, None)
        if found is not None:
            return int(found)
    raise ModelIncompatible(
        f"{model.info.architecture} does not define its image token.",
        remedy="Choose a LLaVA, Qwen2-VL, Gemma 3 or PaliGemma model.",
        field="model",
    )


@dataclass(frozen=True)
class Read:
    """One forward pass over an answer: `states_LND` float32, and `logprobs` (natural) of its
    tokens."""

    states_LND: torch.Tensor
    logprobs: list[float]


@torch.no_grad()
def read(model: VisionLanguageModel, answer: GreedyAnswer, inputs: dict[str, torch.Tensor]) -> Read:
    """The residual stream [L + 1, N, D] and the answer's log-probabilities under `inputs`."""
    out = model.forward(**inputs, output_hidden_states=True, use_cache=False)
    hidden = getattr(out, "hidden_states", None)
    assert hidden is not None
    stacked_LND: torch.Tensor = torch.stack([state[0].float() for state in hidden])
    before_TV = exact(out.logits[0, answer.prompt_length - 1 : -1]).log_softmax(-1)
    written = torch.tensor(answer.ids[answer.prompt_length :], device=before_TV.device)
    return Read(stacked_LND.cpu(), before_TV.gather(1, written[:, None])[:, 0].tolist())


def inputs_with(
    model: VisionLanguageModel, answer: GreedyAnswer, picture: Image.Image, question: str
) -> dict[str, torch.Tensor]:
    """The answer's inputs with another picture of the same size."""
    other = model.inputs(picture, question)
    of_text = (1, answer.prompt_length)
    return {**answer.inputs, **{n: v for n, v in other.items() if v.shape != of_text}}


def _tokens(
    model: VisionLanguageModel, inputs: dict[str, torch.Tensor], length: int
) -> Iterator[tuple[int, float, int]]:
    """Greedy tokens with their log-probabilities, ending after an end-of-text token.

    Third, the most probable token: another one where that is no text.
    """
    stops = stop_ids(model)
    media = sorted({*media_tokens(model.plain.config), picture_token(model)} - stops)
    ids: list[int] = inputs["input_ids"][0].tolist()
    # Qwen-VL's positions in time, height and width depend on the whole sequence, so it is
    # evaluated as a whole.
    cached = "image_grid_thw" not in inputs
    given, cache = inputs, None
    for _ in range(length):
        logprobs_V, cache = _step(model, given, cache, cached=cached)
        wanted = int(logprobs_V.argmax())
        token = int(logprobs_V.index_fill(0, _ids(media, logprobs_V), -torch.inf).argmax())
        yield token, float(logprobs_V[token]), wanted
        if token in stops:
            return
        ids.append(token)
        given = {**inputs, **_grown(inputs, ids, model.device)}
        if cached:
            mask_1N = given["attention_mask"]
            given = {"input_ids": given["input_ids"][:, -1:], "attention_mask": mask_1N}


@torch.no_grad()
def _step(
    model: VisionLanguageModel, given: dict[str, torch.Tensor], cache: Any, *, cached: bool
) -> tuple[torch.Tensor, Any]:
    """Log-probabilities of the next token, [V], and the cache."""
    out = model.forward(**given, past_key_values=cache, use_cache=cached)
    logprobs_V = exact(out.logits[0, -1]).log_softmax(-1)
    return logprobs_V, out.past_key_values if cached else None


def _ids(tokens: list[int], logprobs_V: torch.Tensor) -> torch.Tensor:
    """Those that have a logit: the picture token of Gemma 3 has none."""
    known = [token for token in tokens if token < len(logprobs_V)]
    return torch.tensor(known, dtype=torch.long, device=logprobs_V.device)


def stop_ids(model: VisionLanguageModel) -> set[int]:
    """Tokens that end an answer."""
    config: Any = model.plain.generation_config
    named = config.eos_token_id if config else None
    listed = named if isinstance(named, list) else [named]
    return {token for token in (*listed, model.tokenizer.eos_token_id) if token is not None}


def _grown(
    inputs: dict[str, torch.Tensor], ids: list[int], device: torch.device
) -> dict[str, torch.Tensor]:
    """Inputs that grow with the answer: the ids, and everything with one value per id."""
    length = inputs["input_ids"].shape[1]
    grown = {"input_ids": torch.tensor([ids], device=device)}
    for name, value in inputs.items():
        if name != "input_ids" and value.shape == (1, length):
            fill = 1 if name == "attention_mask" else 0
            more = value.new_full((1, len(ids) - length), fill)
            grown[name] = torch.cat([value, more], 1)
    return grown
