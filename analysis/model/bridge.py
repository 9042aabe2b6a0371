"""The same weights with TransformerLens hook points.

TransformerLens looks for a processor of its own when it boots a model that reads pictures, and
installs torchvision with pip where it finds none. Nothing may change a user's environment while a
model loads: that search is switched off. The processor is `VisionLanguageModel.processor`.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from transformers import PreTrainedModel, PreTrainedTokenizerBase


def boot_bridge(
    plain: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, path: Path, *, trusted: bool
) -> Any:
    """A TransformerBridge on the very tensors of `plain`: eager attention, nothing folded."""
    from transformer_lens.model_bridge import TransformerBridge

    with _nothing_installed():
        return TransformerBridge.boot_transformers(
            str(path),
            hf_model=_twin(plain),
            tokenizer=tokenizer,
            device=plain.device,
            trust_remote_code=trusted,
        )


def _twin(plain: PreTrainedModel) -> PreTrainedModel:
    """Modules of their own, for the bridge to wrap, around shared parameters."""
    shared: dict[int, Any] = {id(weight): weight for weight in plain.parameters()}
    twin: PreTrainedModel = copy.deepcopy(plain, memo=shared)
    return twin


@contextmanager
def _nothing_installed() -> Iterator[None]:
    from transformer_lens.model_bridge.architecture_adapter import ArchitectureAdapter
    from transformer_lens.model_bridge.sources.transformers import helpers, source

    with (
        patch.object(source, "load_modality_processor", lambda *_: None),
        patch.object(helpers, "_ensure_torchvision", lambda: False),
        # torchvision is asked for on behalf of that processor alone.
        patch.object(ArchitectureAdapter, "_check_required_libraries", lambda _: None),
    ):
        yield
