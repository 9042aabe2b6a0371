"""The context of a method on text: the prompt and the output.

Methods inherit the parameters of `TextParams`, so that the prompt has the same form everywhere.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from analysis.errors import InvalidParams, PromptEmpty, TargetOutOfRange
from analysis.events import Event, Progress
from analysis.method import REQUIRED, BaseParams, param
from analysis.model import Model
from analysis.model.checkpoint import GENERATION_CONFIG, GenerationConfigUse, asked_of
from analysis.text import generation
from analysis.text import tokenization as text
from analysis.text.grouping import sentence_numbers, word_numbers

TOKENS_PER_EVENT = 250  # an event stays under 64 KiB
OUTPUT_TOKENS = 256  # for the same reason: the output is one event
FULL_STEPS = 128  # a longer output has alternatives for the SHOWN_STEPS tokens from the target on
SHOWN_STEPS = 64
TokenId = Annotated[int, Field(ge=0, le=10_000_000)]


class TextParams(BaseParams):
    """Parameters for the prompt and the output, given or generated."""

    prompt: str = param(
        REQUIRED,
        "Prompt of the model.",
        group="Text",
        role="prompt",
        widget="text",
        min_length=1,
        max_length=100_000,
    )
    continuation: (
        Annotated[str, Field(max_length=10_000)]
        | Annotated[list[TokenId], Field(max_length=OUTPUT_TOKENS)]
    ) = param(
        "",
        f"Output to explain, at most {OUTPUT_TOKENS} tokens; it follows the prompt "
        "directly, so begin it with a space if it begins a new word. #12 #40 gives tokens by "
        "their ids (in JSON, a list). Empty: the model generates it.",
        group="Output",
        role="continuation",
        widget="text_or_ids",
        many=True,
        capability="causal_lm",
    )
    max_new_tokens: int = param(
        8,
        "Maximum length of a generated output in tokens.",
        group="Output",
        role="length",
        capability="causal_lm",
        ge=1,
        le=OUTPUT_TOKENS,
    )
    temperature: float = param(
        0.0,
        "Sampling temperature; 0: greedy decoding.",
        group="Output",
        capability="causal_lm",
        ge=0,
        le=5,
    )
    top_k: int = param(
        0,
        "Sample from the k most probable tokens; 0: from all.",
        group="Sampling and seed",
        capability="causal_lm",
        ge=0,
        le=1_000_000,
    )
    top_p: float = param(
        1.0,
        "Sample from the smallest set of most probable tokens whose probabilities sum "
        "to at least this.",
        group="Sampling and seed",
        capability="causal_lm",
        gt=0,
        le=1,
    )
    generation_config: GenerationConfigUse = param(
        "leave", GENERATION_CONFIG, group="Sampling and seed", capability="causal_lm"
    )
    seed: int = param(
        0,
        "Random seed, for sampling and all other random numbers.",
        group="Sampling and seed",
        role="seed",
        ge=0,
        le=2**31 - 1,
    )
    chat: bool = param(
        False,
        "Format the prompt as a user message with the model's chat template.",
        group="Chat and special tokens",
        role="chat",
        capability="causal_lm",
    )
    special_tokens: Literal["refuse", "text", "token"] = param(
        "refuse",
        "Special tokens typed in the prompt: refuse them, read them as plain text, or "
        "use them as special tokens.",
        group="Chat and special tokens",
        role="special_tokens",
        capability="causal_lm",
    )


class Token(BaseModel):
    """A token of the context."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    text: str = Field(
        description="Text that the token adds; the concatenated parts give the whole text."
    )
    piece: str = Field(description="The token as listed in the vocabulary.")
    word: int = Field(description="Number of the word it belongs to.")
    sentence: int = Field(description="Number of the sentence it belongs to.")
    protected: bool = Field(description="Protected: never replaced, so that it has no score.")


class Tokens(Event):
    """A chunk of the context: prompt tokens, then output tokens."""

    kind: Literal["tokens"] = "tokens"
    start: int = Field(description="Position of the first token of this chunk.")
    total: int = Field(description="N: total number of positions.")
    prompt_length: int = Field(
        description="L: number of prompt tokens; the output begins at position L."
    )
    tokens: list[Token]


class Alternative(BaseModel):
    """An alternative output token."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: int
    text: str = Field(description="Including its leading space; #555 if the token has no text.")
    logprob: float = Field(description="Natural log of its probability.")


class OutputStep(BaseModel):
    """One output token and its alternatives."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    position: int = Field(description="Its position in the context.")
    logprob: float = Field(description="Natural log of its probability.")
    rank: int = Field(description="1: the most probable token.")
    entropy: float = Field(description="Entropy of the next-token distribution, nats.")
    alternatives: list[Alternative] = Field(
        description="The most probable tokens, at most five; empty if not listed."
    )


class Output(Event):
    """The output that is explained."""

    kind: Literal["output"] = "output"
    generated: bool = Field(description="False: the output was given in the params.")
    steps: list[OutputStep] = Field(description="One per output token, T.")
    target_start: int
    target_length: int
    contrast: Alternative | None = Field(
        description="The contrast token of the first target token."
    )


@dataclass(frozen=True)
class Context:
    """Prompt and output as token ids, with the protected positions.

    `protected` marks special tokens and chat markers, which a method must leave alone.
    """

    ids: list[int]
    prompt_length: int
    protected: list[bool]
    texts: list[str]
    words: list[int]
    sentences: list[int]


def read(model: Model, params: TextParams) -> Generator[Event, None, Context]:
    """Encode the prompt and the output, or generate the output; yields progress while generating.

    Raises PromptEmpty, PromptTooLong, SpecialTokenInText, InvalidText, InvalidParams.
    """
    prompt, output = encode(model, params)
    if output is None:
        output = yield from _written(model, params, prompt.ids)
    return context_of(model, prompt, output)


def encode(model: Model, params: TextParams) -> tuple[text.EncodedPrompt, list[int] | None]:
    """The prompt, and the output if one is given; by the tokenizer alone. Raises as `read`."""
    prompt = text.encode_prompt(
        model.tokenizer, params.prompt, chat=params.chat, special=params.special_tokens
    )
    output: list[int] | None = None
    if params.continuation:
        output = given_ids(model, params.continuation, before=prompt.ids, field="continuation")
        _refuse_long(output)
    length = params.max_new_tokens if output is None else len(output)
    text.check_length(len(prompt.ids), output=length, context=model.info.longest)
    return prompt, output


def _refuse_long(output: list[int]) -> None:
    if len(output) > OUTPUT_TOKENS:
        raise InvalidParams(
            f"The continuation has {len(output)} tokens; the limit is {OUTPUT_TOKENS}.",
            remedy="Move its first tokens into the prompt.",
            field="continuation",
        )


def _written(
    model: Model, params: TextParams, prompt: list[int]
) -> Generator[Event, None, list[int]]:
    given = {name: getattr(params, name) for name in ("temperature", "top_k", "top_p")}
    bends = asked_of(model, given, use=params.generation_config)
    values, length = {**given, **bends}, params.max_new_tokens
    output: list[int] = []
    for token in generation.write(model, prompt, length, values, params.seed):
        output.append(token)
        yield Progress(stage="writing", done=len(output), total=length, unit="tokens")
    return output


def context_of(model: Model, prompt: text.EncodedPrompt, output: list[int]) -> Context:
    """The context of a prompt and its output."""
    ids = [*prompt.ids, *output]
    special = set(text.special_tokens(model.tokenizer).values())
    texts = text.display_texts(model.tokenizer, ids)
    return Context(
        ids=ids,
        prompt_length=len(prompt.ids),
        protected=[*prompt.protected, *(token in special for token in output)],
        texts=texts,
        words=word_numbers(texts),
        sentences=sentence_numbers(texts),
    )


def describe(model: Model, context: Context, protected: list[bool]) -> Iterator[Tokens]:
    """Yield the tokens in chunks; `protected` are those shown as protected."""
    pieces = model.tokenizer.convert_ids_to_tokens(context.ids)
    parts = (context.ids, context.texts, pieces, context.words, context.sentences, protected)
    tokens = [
        Token(id=i, text=t, piece=str(p or f"#{i}"), word=w, sentence=s, protected=c)
        for i, t, p, w, s, c in zip(*parts, strict=True)
    ]
    for start in range(0, len(tokens), TOKENS_PER_EVENT):
        yield Tokens(
            start=start,
            total=len(tokens),
            prompt_length=context.prompt_length,
            tokens=tokens[start : start + TOKENS_PER_EVENT],
        )


def given_ids(model: Model, given: str | list[int], *, before: list[int], field: str) -> list[int]:
    """Ids of a text that continues `before`, or the ids given. Raises InvalidParams."""
    if isinstance(given, str):
        return text.encode_continued(model.tokenizer, given, before=before, field=field)
    for token in given:
        check_id(model, token, field=field)
    return given


def check_id(model: Model, token: int, *, field: str) -> None:
    """Raise InvalidParams for an id that the model does not have."""
    if token >= model.info.vocabulary:
        raise InvalidParams(
            f"{field} names token {token}; this model's tokens are 0 to "
            f"{model.info.vocabulary - 1}.",
            remedy="Choose one of them.",
            field=field,
        )


def single_token(model: Model, given: str | int, *, before: list[int], field: str) -> int:
    """Id of a text that continues `before` and must be one token, or the id given.

    Raises InvalidParams naming its tokens.
    """
    if isinstance(given, int):
        check_id(model, given, field=field)
        return given
    text.check_text(given, field)
    found = text.codec(model.tokenizer).single(before, given)
    if found is not None:
        return found
    ids = text.encode_continued(model.tokenizer, given, before=before, field=field)
    names = [f"{text.token_name(model.tokenizer, token)!r} (#{token})" for token in ids]
    raise InvalidParams(
        f"{field} {given!r} has {len(ids)} tokens of this model: {', '.join(names)}.",
        remedy="Give a single token, including the space that belongs to it, or its id.",
        field=field,
    )


def target_span(context: Context, start: int, length: int) -> range:
    """Indices of a target's tokens in the output. Raises TargetOutOfRange."""
    return span_of(len(context.ids) - context.prompt_length, start, length)


def refuse_params(params: TextParams, start: int, length: int) -> None:
    """Raise PromptEmpty for a blank prompt, TargetOutOfRange for a target beyond the longest
    output that the params allow.

    The tokens of a continuation given as text are not known without a tokenizer.
    """
    if not params.prompt.strip():
        raise PromptEmpty("The prompt is empty.", remedy="Type some text.", field="prompt")
    if not isinstance(params.continuation, str):
        span_of(len(params.continuation), start, length)
    elif not params.continuation:
        span_of(params.max_new_tokens, start, length)


def span_of(outputs: int, start: int, length: int) -> range:
    """Likewise, in an output of so many tokens."""
    stop = start + length
    if stop > outputs:
        raise TargetOutOfRange(
            f"The target is output tokens {start} to {stop - 1}; the output has {outputs} tokens "
            f"(0 to {outputs - 1}).",
            remedy="Choose a target inside the output, or increase max_new_tokens.",
            field="target_start",
        )
    return range(start, stop)


def output_event(
    model: Model, context: Context, *, generated: bool, span: range, contrast_token: int | None
) -> Output:
    """The output with the model's own probabilities."""
    first = context.prompt_length
    scored = generation.score(model, context.ids, first)
    count = len(context.ids) - first
    listed = range(span.start, span.start + SHOWN_STEPS) if count > FULL_STEPS else range(count)
    steps = [
        OutputStep(
            position=first + t,
            logprob=float(scored.logprob_T[t]),
            rank=int(scored.rank_T[t]),
            entropy=float(scored.entropy_T[t]),
            alternatives=[
                _alternative(model, int(token), float(logprob))
                for token, logprob in zip(
                    scored.top_ids_TA[t], scored.top_logprobs_TA[t], strict=True
                )
                if t in listed
            ],
        )
        for t in range(count)
    ]
    contrast = None
    if contrast_token is not None:
        contrast = _alternative(
            model, contrast_token, float(scored.logprobs_TV[span.start, contrast_token])
        )
    return Output(
        generated=generated,
        steps=steps,
        target_start=span.start,
        target_length=len(span),
        contrast=contrast,
    )


def _alternative(model: Model, token: int, logprob: float) -> Alternative:
    return Alternative(id=token, text=text.token_name(model.tokenizer, token), logprob=logprob)
