"""Dream's own generation settings; `validate` has the form that transformers 4 called it in."""

from typing import Any

from transformers import GenerationConfig


class DreamGenerationConfig(GenerationConfig):
    def __init__(self, **values: Any) -> None:
        self.steps = values.pop("steps", 512)
        self.alg = values.pop("alg", "origin")
        super().__init__(**values)

    def validate(self, is_init: bool = False) -> None:  # noqa: FBT001, FBT002 (as published)
        pass
