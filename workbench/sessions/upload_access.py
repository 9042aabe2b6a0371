"""Reads pictures that the visitor may see: own ones, and those of readable runs."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from workbench.accounts.visitor import Visitor
from workbench.catalog.methods import MethodOut, method_list
from workbench.runs.models import Run
from workbench.sessions.run_access import runs_readable
from workbench.uploads.models import Upload
from workbench.uploads.selectors import check_hash, picture_fields, picture_unknown, upload_content
from workbench.uploads.services import upload_keep


def upload_visible(*, visitor: Visitor, sha256: str, field: str | None = None) -> Upload:
    """A picture that the visitor owns, or that a run which they may read uses.

    Raises UnknownPicture for all others.
    """
    check_hash(sha256, field)
    uploads = Upload.objects.filter(sha256=sha256)
    own = uploads.filter(owner=visitor.user).first() if visitor.user else None
    upload = own or uploads.filter(owner__in=_shown_by(visitor, sha256)).first()
    if upload is None:
        raise picture_unknown(sha256, field)
    return upload


def _shown_by(visitor: Visitor, sha256: str) -> QuerySet[Run, int]:
    """Owners of the readable runs whose params name the picture."""
    names = {name for method in method_list() for name in picture_fields(method)}
    named = Q(pk__in=())
    for name in names:
        named |= Q(**{f"params__{name}": sha256})
    return runs_readable(visitor).filter(named).values_list("owner", flat=True)


def uploads_lend(*, visitor: Visitor, to: User, method: MethodOut, params: dict[str, Any]) -> None:
    """Copy the pictures that params name to the user `to`, if the visitor may see them.

    A run reads only its owner's pictures, so repeating a shared run needs a copy of its picture.
    Raises UnknownPicture, TooManyUploads.
    """
    for name in picture_fields(method):
        if not params.get(name):
            continue
        upload = upload_visible(visitor=visitor, sha256=params[name], field=name)
        if upload.owner_id != to.pk:
            upload_keep(_copy(upload, to), content=upload_content(upload))


def _copy(upload: Upload, owner: User) -> Upload:
    return Upload(
        owner=owner,
        sha256=upload.sha256,
        width=upload.width,
        height=upload.height,
        size=upload.size,
    )
