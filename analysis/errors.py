"""Errors that a user can act on: the value given, the limit, and the remedy."""


def shortened(value: object, longest: int = 80) -> str:
    """A given value inside a message: as Python writes it in ASCII, cut at `longest` characters."""
    text = ascii(value[: longest + 1] if isinstance(value, str | bytes) else value)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


class GlassbenchError(Exception):
    """An error with a stable `code`, a `message` with value and limit, and a `remedy`."""

    code = "error"

    def __init__(self, message: str, *, remedy: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.field = field

    def as_dict(self) -> dict[str, str | None]:
        return {
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy,
            "field": self.field,
        }


class InvalidParams(GlassbenchError):
    """A parameter is unknown, missing, of the wrong type or out of range."""

    code = "invalid_params"


class ChatTemplateRefused(InvalidParams):
    """A checkpoint's chat template fails, exceeds its limits, or omits the prompt."""

    code = "chat_template"


class InvalidText(GlassbenchError):
    """A text contains lone surrogates or NUL, which tokenizers and databases do not accept."""

    code = "invalid_text"


class UnknownMethod(GlassbenchError):
    code = "unknown_method"


class UnknownModel(GlassbenchError):
    code = "unknown_model"


class ModelUnreadable(GlassbenchError):
    """A model folder lacks a file, or its files are inconsistent."""

    code = "model_unreadable"


class ModelIncompatible(GlassbenchError):
    """The model lacks a capability that the method needs."""

    code = "model_incompatible"


class HubUnreachable(GlassbenchError):
    code = "hub_unreachable"


class PromptEmpty(GlassbenchError):
    code = "prompt_empty"


class PromptTooLong(GlassbenchError):
    code = "prompt_too_long"


class SpecialTokenInText(GlassbenchError):
    """A special token was typed as text; used silently, it would change the model's input."""

    code = "special_token_in_text"


class InputRefused(GlassbenchError):
    """The model's tokenizer, processor or chat template does not accept this text or picture."""

    code = "input_refused"


class NotFinite(GlassbenchError):
    """The model returned numbers that are not finite."""

    code = "not_finite"


class TargetOutOfRange(GlassbenchError):
    code = "target_out_of_range"


class CutOutOfRange(GlassbenchError):
    """A cut names a layer, head, token or row that does not exist, or leaves a token without
    keys.
    """

    code = "cut_out_of_range"


class OutOfMemory(GlassbenchError):
    code = "out_of_memory"


class PictureRefused(GlassbenchError):
    """A file is not a still picture in a supported format."""

    code = "picture_refused"


class PictureTooLarge(GlassbenchError):
    """A picture has too many bytes or pixels."""

    code = "picture_too_large"


class PictureUnreadable(GlassbenchError):
    """A file is truncated or inconsistent."""

    code = "picture_unreadable"


class UnknownPicture(GlassbenchError):
    """There is no such picture, or it belongs to another user: the answer is the same."""

    code = "unknown_picture"
