"""The processor of Mistral 3, for pictures: a line of tokens per row of patches.

transformers has it as PixtralProcessor, and gives that class only where torchvision is installed,
which preparing a picture does not need.
"""

from typing import Any

from transformers import PreTrainedTokenizerBase, ProcessorMixin
from transformers.image_processing_utils import BaseImageProcessor

SETTINGS = (
    "patch_size", "spatial_merge_size", "image_token", "image_break_token", "image_end_token",
)  # fmt: skip


class PictureLines(ProcessorMixin):
    """`patch_size` in pixels; `spatial_merge_size` patches in each direction become one token."""

    def __init__(
        self,
        image_processor: BaseImageProcessor,
        tokenizer: PreTrainedTokenizerBase,
        chat_template: str | None = None,
        patch_size: int = 16,
        spatial_merge_size: int = 1,
        image_token: str = "[IMG]",
        image_break_token: str = "[IMG_BREAK]",
        image_end_token: str = "[IMG_END]",
    ) -> None:
        parts: Any = super()
        parts.__init__(image_processor, tokenizer, chat_template=chat_template)
        self.pixels = patch_size * spatial_merge_size
        self.image_token, self.image_end_token = image_token, image_end_token
        self.image_break_token = image_break_token
        self.image_token_id = tokenizer.convert_tokens_to_ids(image_token)

    def _process_images(self, images: Any, **options: Any) -> Any:
        return super()._process_images(images, **{**options, "patch_size": self.pixels})

    def replace_image_token(self, image_inputs: Any, image_idx: int, **options: Any) -> str:
        """The tokens of a picture; the last line ends with another token."""
        del options
        height, width = (int(edge) for edge in image_inputs["image_sizes"][image_idx])
        line = self.image_token * (width // self.pixels) + self.image_break_token
        lines = line * (height // self.pixels)
        return lines.removesuffix(self.image_break_token) + self.image_end_token
