"""comments.json of a bundle."""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from workbench.reports.document import CommentRecord, ThreadRecord
from workbench.reports.errors import BundleRefused
from workbench.reports.manifest import Id, ManifestPart, Time
from workbench.sessions.anchors import Anchor, AnyAnchor


class CommentPart(ManifestPart):
    id: Id
    author: str = Field(max_length=150)
    body: str = Field(max_length=10_000)
    created_at: Time
    edited_at: Time | None


class ThreadPart(ManifestPart):
    id: Id
    panel: Id
    anchor: dict[str, Any]
    created_at: Time
    resolved_at: Time | None
    comments: list[CommentPart] = Field(min_length=1, max_length=1_000)


_ANCHOR: TypeAdapter[AnyAnchor] = TypeAdapter(Anchor)
_THREADS: TypeAdapter[list[ThreadPart]] = TypeAdapter(
    Annotated[list[ThreadPart], Field(max_length=1_000)]
)


def threads_read(content: bytes, *, panels: set[str]) -> tuple[ThreadRecord, ...]:
    """The threads, each on one of these panels. Raises BundleRefused."""
    try:
        parts = _THREADS.validate_json(content)
        for part in parts:
            _ANCHOR.validate_python(part.anchor)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _refuse(f"{'.'.join(map(str, first['loc']))[:200]}: {first['msg'][:200]}") from None
    for part in parts:
        if part.panel not in panels:
            raise _refuse(f"thread {part.id} is on no panel of the bundle")
    return tuple(map(_thread, parts))


def _thread(part: ThreadPart) -> ThreadRecord:
    comments = tuple(CommentRecord(**comment.model_dump()) for comment in part.comments)
    return ThreadRecord(**part.model_dump(exclude={"comments"}), comments=comments)


def _refuse(why: str) -> BundleRefused:
    return BundleRefused(f"comments.json is refused: {why}.", remedy="Export it again.")
