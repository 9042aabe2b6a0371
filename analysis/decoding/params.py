"""What every decoding run asks for: a prompt, a length, a seed, and how an answer is read."""

from typing import Any, Literal

from pydantic import Field

from analysis.method import BaseParams

OUTPUT_TOKENS = 512
HIDDEN: dict[str, Any] = {"widget": "hidden", "group": "Decisions by hand"}
MOST_FORCED = 64
LAST_NUMBER = r"(?s).*(?<![\d.,]|(?<!\d)-)(-?\d+(?:[.,]\d+)*)"


class PromptParams(BaseParams):
    """Prompt, seed and answer."""

    prompt: str = Field(
        min_length=1,
        max_length=100_000,
        description="Text that the model goes on from.",
        json_schema_extra={"widget": "text", "group": "Text"},
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Seed of every random draw.",
        json_schema_extra={"group": "Text"},
    )
    chat: bool = Field(
        default=False,
        description="Wrap the prompt as a user's message with the model's chat template.",
        json_schema_extra={"group": "Chat and special tokens"},
    )
    special_tokens: Literal["refuse", "text", "token"] = Field(
        default="refuse",
        description="A special token typed in the prompt: refuse it, read it as plain text, or "
        "let it act as the token.",
        json_schema_extra={"group": "Chat and special tokens"},
    )
    answer_pattern: str = Field(
        default=LAST_NUMBER,
        max_length=200,
        description="Regular expression that reads the answer in the output: its first group, or "
        "all of it; as it stands, the last number. Empty: no answer is read.",
        json_schema_extra={"group": "Answer"},
    )
    right_answer: str = Field(
        default="",
        max_length=200,
        description="The answer that is known to be right: what is read is told to be right or "
        "wrong. Numbers are held against each other as numbers. Empty: not known.",
        json_schema_extra={"group": "Answer"},
    )
