"""A loaded model, as methods get it: text, vision-language, text to image."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

from analysis.errors import ModelIncompatible
from analysis.events import Brings, ModelInfo
from analysis.model import chat_template
from analysis.model.bridge import boot_bridge
from analysis.model.checkpoint import brought
from analysis.model.finite import refuse_not_finite
from analysis.model.memory import is_out_of_memory, memory_bytes, rows_do_not_fit
from analysis.model.read_prompts import ReadPrompts
from analysis.model.stepping import pause
from analysis.workload import Device, rows_at_once


@dataclass
class Passes:
    """Forward passes made with a model so far, the sequences in them, and their tokens."""

    rows: int = 0
    forwards: int = 0
    tokens: int = 0

    def count(self, rows: int, length: int) -> None:
        self.rows += rows
        self.forwards += 1
        self.tokens += rows * length


@dataclass(frozen=True)
class Model:
    """A loaded model, shared by all runs. `plain` runs SDPA attention and has no hooks."""

    info: ModelInfo
    plain: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    path: Path
    trusted: bool = field(default=False)  # the checkpoint's own code may run
    passes: Passes = field(default_factory=Passes)
    prompts: ReadPrompts = field(default_factory=ReadPrompts)

    def brings(self) -> Brings | None:
        """What the checkpoint contains in addition to its weights, today."""
        owner = getattr(self, "processor", self.tokenizer)
        return brought(self.plain, owner, str(chat_template.day()))

    def require(self, *abilities: str) -> None:
        """Raise ModelIncompatible if the self-check found that one of them does not work."""
        check = self.info.self_check
        for ability in abilities:
            why = check.abilities.get(ability) if check else None
            if why:
                raise ModelIncompatible(
                    why,
                    remedy="Choose a model whose self-check lists "
                    f"{ability} as working, such as Llama, Qwen or GPT-2.",
                    field="model",
                )

    @property
    def device(self) -> torch.device:
        return self.plain.device

    @property
    def modules(self) -> tuple[torch.nn.Module, ...]:
        """Everything that holds weights."""
        return (self.plain,)

    @cached_property
    def bridge(self) -> Any:
        """The same weights with TransformerLens hook points; eager attention, nothing folded."""
        return boot_bridge(self.plain, self.tokenizer, self.path, trusted=self.trusted)

    def hooks(self, fwd_hooks: list[tuple[str, Any]]) -> Any:
        """Context in which the hooks are on: `with model.hooks([(name, function)]):`."""
        return self.bridge.hooks(fwd_hooks=fwd_hooks)

    def embeddings(self, ids_BN: torch.Tensor) -> torch.Tensor:
        """Input embeddings, [B, N, width]."""
        layer: torch.nn.Module = self.plain.get_input_embeddings()
        embedded: torch.Tensor = layer(ids_BN)
        return embedded

    def logits(
        self,
        ids_BN: torch.Tensor | None,
        positions_T: torch.Tensor,
        *,
        embeddings_BND: torch.Tensor | None = None,
        **options: Any,
    ) -> torch.Tensor:
        """Logits at the given positions, [B, T, V], by the model's own attention, without a cache.

        `options` of the forward pass, such as position ids or a cache. Raises OutOfMemory naming
        the rows that did not fit.
        """
        given = ids_BN if embeddings_BND is None else embeddings_BND
        assert given is not None
        inputs = (
            {"input_ids": given} if embeddings_BND is None else {"inputs_embeds": embeddings_BND}
        )
        keep = positions_T.to(self.device)
        out = self.forward(**inputs, logits_to_keep=keep, **{"use_cache": False, **options})
        logits: torch.Tensor = out.logits
        # Some models give the logits of every position.
        return logits if logits.shape[1] == len(keep) else logits[:, keep]

    def forward(self, **inputs: Any) -> Any:
        """One counted forward pass of `plain`; the first input is [B, N] or [B, N, width].

        Raises OutOfMemory naming the rows that did not fit; NotFinite where logits are not
        finite.
        """
        pause()
        rows, length = next(iter(inputs.values())).shape[:2]
        self.passes.count(rows, length)
        try:
            out = self.plain(**inputs)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self.prompts.clear()
            raise rows_do_not_fit(rows, length) from error
        logits = getattr(out, "logits", None)
        if logits is not None:
            refuse_not_finite(logits, self.modules, inputs)
        return out

    def rows_per_pass(self, length: int, kept: int, limit: int) -> int:
        """Rows of `length` tokens, logits kept at `kept` positions, for one forward pass.

        At most `limit`; well under half a second of work and a share of the device's memory.
        Raises OutOfMemory where a single row is too much.
        """
        device = Device(self.device.type, memory_bytes(self.device))
        rows = rows_at_once(self.info, device, length, kept, limit)
        if not rows:
            raise rows_do_not_fit(1, length)
        return rows


@dataclass(frozen=True, kw_only=True)
class VisionLanguageModel(Model):
    """`plain` takes pictures too; `processor` turns a picture and a text into its inputs."""

    processor: Any

    def inputs(self, picture: Image.Image, text: str) -> dict[str, torch.Tensor]:
        """What `plain` takes for a picture followed by a text.

        `input_ids` and `attention_mask` are [1, N]; the shape of `pixel_values` and what else
        there is are the architecture's own.
        """
        prompt = picture_prompt(self.processor, text)
        tensors = self.processor(images=[picture], text=[prompt], return_tensors="pt")
        return {name: value.to(self.device) for name, value in tensors.items()}


@dataclass(frozen=True, kw_only=True)
class ImagePipeline(Model):
    """A diffusers pipeline; `plain` and `tokenizer` are its largest text encoder's."""

    pipeline: Any

    @property
    def modules(self) -> tuple[torch.nn.Module, ...]:
        parts = self.pipeline.components.values()
        return tuple(part for part in parts if isinstance(part, torch.nn.Module))

    @property
    def encoders(self) -> dict[str, tuple[PreTrainedModel, PreTrainedTokenizerBase]]:
        """Text encoder and tokenizer by the encoder's name in the pipeline."""
        parts = self.pipeline.components
        return {
            name: (part, parts[name.replace("text_encoder", "tokenizer")])
            for name, part in parts.items()
            if name.startswith("text_encoder") and part is not None
        }


def picture_prompt(processor: Any, text: str) -> str:
    """`text` after a picture, in the words that the model knows. Raises ChatTemplateRefused."""
    if getattr(processor, "chat_template", None):
        return _templated(processor, text)
    # Gemma 3 replaces the token that begins a picture, the others that of the picture itself.
    token = getattr(processor, "boi_token", None) or getattr(processor, "image_token", "")
    return f"{token} {text}"


def _templated(processor: Any, text: str) -> str:
    if not isinstance(processor, ProcessorMixin):  # with a way of its own
        turns = [{"role": "user", "content": chat_template.after_picture(text)}]
        return str(processor.apply_chat_template(turns, add_generation_prompt=True))
    remedy = "Choose another model, or correct the template in its folder."
    [prompt] = chat_template.render(processor, [text], chat_template.after_picture, remedy=remedy)
    return prompt
