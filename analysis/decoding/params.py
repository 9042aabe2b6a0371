"""Parameters of every decoding run: prompt, length, seed, and how the answer is extracted."""

from typing import Any, Literal

from pydantic import Field

from analysis.method import BaseParams

OUTPUT_TOKENS = 512
HIDDEN: dict[str, Any] = {"widget": "hidden", "group": "Forced choices"}
MOST_FORCED = 64
LAST_NUMBER = r"(?s).*(?<![\d.,]|(?<!\d)-)(-?\d+(?:[.,]\d+)*)"


class PromptParams(BaseParams):
    """Parameters for prompt, seed and answer."""

    prompt: str = Field(
        min_length=1,
        max_length=100_000,
        description="Prompt to continue.",
        json_schema_extra={"widget": "text", "group": "Text"},
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Random seed.",
        json_schema_extra={"group": "Text"},
    )
    chat: bool = Field(
        default=False,
        description="Format the prompt as a user message with the model's chat template.",
        json_schema_extra={"group": "Chat and special tokens"},
    )
    special_tokens: Literal["refuse", "text", "token"] = Field(
        default="refuse",
        description="Special tokens typed in the prompt: refuse them, read them as plain text, or "
        "use them as special tokens.",
        json_schema_extra={"group": "Chat and special tokens"},
    )
    answer_pattern: str = Field(
        default=LAST_NUMBER,
        max_length=200,
        description="Regular expression that extracts the answer from the output: its first "
        "group, or else the whole match. The default finds the last number. Empty: no "
        "answer is extracted.",
        json_schema_extra={"group": "Answer"},
    )
    right_answer: str = Field(
        default="",
        max_length=200,
        description="Correct answer, with which the extracted answer is compared; numbers are "
        "compared by value. Empty: unknown.",
        json_schema_extra={"group": "Answer"},
    )
