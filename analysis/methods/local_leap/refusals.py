"""What LocalLeap refuses once it knows the model: masks in the prompt, forced tokens."""

from collections.abc import Sequence

from analysis.decoding.events import ForcedCommit
from analysis.decoding.task import DecodingTask
from analysis.errors import InvalidParams, SpecialTokenInText
from analysis.model.masked_diffusion import MaskedDiffusion


def refuse_masks(task: DecodingTask, adapter: MaskedDiffusion) -> None:
    """Raises SpecialTokenInText."""
    if adapter.mask_id in task.prompt:
        name = task.model.tokenizer.convert_ids_to_tokens(adapter.mask_id)
        raise SpecialTokenInText(
            f"The prompt contains the mask token {name} at position "
            f"{task.prompt.index(adapter.mask_id)}; masks are allowed only on the canvas.",
            remedy="Remove it from the prompt.",
            field="prompt",
        )


def refuse_forced(commits: Sequence[ForcedCommit], adapter: MaskedDiffusion) -> None:
    """Raises InvalidParams."""
    vocabulary = adapter.model.info.vocabulary
    for forced in commits:
        if forced.token == adapter.mask_id or forced.token >= vocabulary:
            raise InvalidParams(
                f"forced names token {forced.token}; this model's tokens are 0 to "
                f"{vocabulary - 1}, without its mask token {adapter.mask_id}.",
                remedy="Choose another token.",
                field="forced",
            )
