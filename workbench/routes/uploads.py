"""Pictures over HTTP: the body of an upload is the file itself."""

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import BaseModel, Field

from analysis.images.files import MAX_BYTES
from workbench.accounts.visitor import request_visitor
from workbench.answers import REFUSALS, ErrorOut, unchanging
from workbench.routes.auth import guests
from workbench.sessions.upload_access import upload_visible
from workbench.uploads.models import Upload
from workbench.uploads.selectors import upload_content, upload_get, upload_list
from workbench.uploads.services import upload_create, upload_delete

router = Router(tags=["pictures"])


class UploadOut(BaseModel):
    """A picture of the user; params refer to its id."""

    id: str = Field(description="SHA-256 of the stored PNG.")
    width: int
    height: int
    created_at: datetime


@router.post(
    "/pictures",
    response={200: UploadOut, 201: UploadOut, REFUSALS: ErrorOut},
    operation_id="upload_create",
)
def create(request: HttpRequest) -> Status[UploadOut]:
    """Store a picture: PNG, JPEG or WebP, recognised by its content."""
    upload, created = upload_create(
        owner=request_visitor(request).account.pk, content=request.read(MAX_BYTES + 1)
    )
    return Status(201 if created else 200, _out(upload))


@router.get(
    "/pictures", response={200: list[UploadOut], REFUSALS: ErrorOut}, operation_id="upload_list"
)
def uploads(request: HttpRequest) -> list[UploadOut]:
    return [_out(upload) for upload in upload_list(owner=request_visitor(request).account.pk)]


@router.get(
    "/pictures/{sha256}.png",
    response={200: None, REFUSALS: ErrorOut},
    operation_id="upload",
    auth=guests,
)
def picture(request: HttpRequest, sha256: str) -> HttpResponse:
    """The PNG file; it never changes."""
    content = upload_content(upload_visible(visitor=request_visitor(request), sha256=sha256))
    return unchanging(request, sha256, content, "image/png")


@router.delete(
    "/pictures/{sha256}", response={204: None, REFUSALS: ErrorOut}, operation_id="upload_delete"
)
def delete(request: HttpRequest, sha256: str) -> Status[None]:
    upload_delete(upload=upload_get(owner=request_visitor(request).account.pk, sha256=sha256))
    return Status(204, None)


def _out(upload: Upload) -> UploadOut:
    return UploadOut(
        id=upload.sha256,
        width=upload.width,
        height=upload.height,
        created_at=upload.created_at,
    )
