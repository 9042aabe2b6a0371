"""Parameters of every decoding run: prompt, length, seed, and how the answer is extracted."""

from typing import Literal

from analysis.method import REQUIRED, BaseParams, param

OUTPUT_TOKENS = 512
MOST_FORCED = 64
LAST_NUMBER = r"(?s).*(?<![\d.,]|(?<!\d)-)(-?\d+(?:[.,]\d+)*)"


class PromptParams(BaseParams):
    """Parameters for prompt, seed and answer."""

    prompt: str = param(
        REQUIRED,
        "Prompt to continue.",
        group="Text",
        role="prompt",
        widget="text",
        min_length=1,
        max_length=100_000,
    )
    seed: int = param(0, "Random seed.", group="Text", role="seed", ge=0, le=2**31 - 1)
    chat: bool = param(
        False,
        "Format the prompt as a user message with the model's chat template.",
        group="Chat and special tokens",
        role="chat",
    )
    special_tokens: Literal["refuse", "text", "token"] = param(
        "refuse",
        "Special tokens typed in the prompt: refuse them, read them as plain text, or "
        "use them as special tokens.",
        group="Chat and special tokens",
        role="special_tokens",
    )
    answer_pattern: str = param(
        LAST_NUMBER,
        "Regular expression that extracts the answer from the output: its first "
        "group, or else the whole match. The default finds the last number. Empty: no "
        "answer is extracted.",
        group="Answer",
        max_length=200,
    )
    right_answer: str = param(
        "",
        "Correct answer, with which the extracted answer is compared; numbers are "
        "compared by value. Empty: unknown.",
        group="Answer",
        max_length=200,
    )
