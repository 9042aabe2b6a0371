"""Pictures over HTTP: stored as bare pixels per user, refused with a reason."""

import hashlib
import uuid
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client
from PIL import Image

from analysis.errors import UnknownPicture
from analysis.images.event import png_bytes
from workbench.accounts.visitor import Visitor
from workbench.catalog.methods import method_get
from workbench.errors import TooManyUploads
from workbench.runs.models import Run
from workbench.sessions.models import Session
from workbench.sessions.upload_access import uploads_lend
from workbench.uploads.models import Upload
from workbench.uploads.selectors import picture_fields, upload_pixels

pytestmark = pytest.mark.django_db
PIXELS = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def file_of(kind: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    Image.fromarray(PIXELS).save(file, kind, **options)
    return file.getvalue()


def post(client: Client, content: bytes, kind: str = "image/png") -> Any:
    return client.post("/api/pictures", data=content, content_type=kind)


def test_a_picture_comes_back_as_the_png_of_its_pixels(anna_client: Client, anna: User) -> None:
    answer = post(anna_client, file_of("WEBP", lossless=True), "text/html")
    body = answer.json()
    png = png_bytes(PIXELS)
    assert (answer.status_code, body["width"], body["height"]) == (201, 30, 20)
    assert body["id"] == hashlib.sha256(png).hexdigest()
    shown = anna_client.get(f"/api/pictures/{body['id']}.png")
    assert shown.content == png
    assert (shown["Content-Type"], shown["X-Content-Type-Options"]) == ("image/png", "nosniff")
    assert "private" in shown["Cache-Control"]
    np.testing.assert_array_equal(upload_pixels(owner=anna.pk, sha256=body["id"]), PIXELS)


def test_the_same_picture_is_kept_once(anna_client: Client) -> None:
    first = post(anna_client, file_of())
    again = post(anna_client, file_of("WEBP", lossless=True))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert anna_client.get("/api/pictures").json() == [first.json()]


def test_another_user_finds_nothing(anna_client: Client, tom_client: Client, tom: User) -> None:
    sha = post(anna_client, file_of()).json()["id"]
    for verb, path in [("get", f"/api/pictures/{sha}.png"), ("delete", f"/api/pictures/{sha}")]:
        answer = getattr(tom_client, verb)(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_picture")
    assert tom_client.get("/api/pictures").json() == []
    with pytest.raises(UnknownPicture):
        upload_pixels(owner=tom.pk, sha256=sha)
    assert anna_client.get(f"/api/pictures/{sha}.png").status_code == 200


def test_a_picture_is_copied_for_users_who_may_read_its_run(
    anna: User, tom: User, anna_client: Client, tom_client: Client, settings: Any
) -> None:
    sha = post(anna_client, file_of()).json()["id"]
    method = method_get("seg_similarity")
    params = {picture_fields(method)[0]: sha}
    lend = partial(uploads_lend, visitor=Visitor(tom), to=tom, method=method, params=params)
    with pytest.raises(UnknownPicture):
        lend()
    session = Session.objects.create(owner=anna, title="Pictures")
    session.members.create(user=tom, role="viewer")
    run = Run.objects.create(
        id=uuid.uuid4(), owner=anna, method=method.stem, method_version="1", params=params
    )
    session.session_runs.create(run=run)
    assert tom_client.get(f"/api/pictures/{sha}.png").content == png_bytes(PIXELS)
    settings.MAX_UPLOADS = 0
    with pytest.raises(TooManyUploads):
        lend()
    settings.MAX_UPLOADS = 1
    lend()
    lend()
    assert anna_client.delete(f"/api/pictures/{sha}").status_code == 204
    np.testing.assert_array_equal(upload_pixels(owner=tom.pk, sha256=sha), PIXELS)


def test_what_one_deletes_another_keeps(anna_client: Client, tom_client: Client) -> None:
    sha = post(anna_client, file_of()).json()["id"]
    assert post(tom_client, file_of()).json()["id"] == sha
    name = Upload.objects.filter(owner__username="anna").get().storage_name
    assert anna_client.delete(f"/api/pictures/{sha}").status_code == 204
    assert not default_storage.exists(name)
    assert anna_client.get(f"/api/pictures/{sha}.png").status_code == 404
    assert tom_client.get(f"/api/pictures/{sha}.png").content == png_bytes(PIXELS)


def test_a_user_keeps_so_many_and_no_more(anna_client: Client, settings: Any) -> None:
    settings.MAX_UPLOADS = 2
    pictures = [png_bytes(np.full((2, 2, 3), n, np.uint8)) for n in range(3)]
    assert [post(anna_client, content).status_code for content in pictures] == [201, 201, 429]
    assert post(anna_client, pictures[0]).status_code == 200
    refusal = post(anna_client, pictures[2]).json()
    assert (refusal["code"], "limit is 2" in refusal["message"]) == ("too_many_uploads", True)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"<svg onload='alert(1)'/>", 422, "picture_refused"),
        (b"", 422, "picture_refused"),
        (file_of()[:-60], 422, "picture_unreadable"),
        (file_of() + bytes(20_000_000), 413, "picture_too_large"),
    ],
)
def test_what_is_refused_leaves_nothing(
    anna_client: Client, content: bytes, status: int, code: str
) -> None:
    answer = post(anna_client, content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"code", "message", "remedy", "field"}
    assert Upload.objects.count() == 0


def test_a_strange_page_cannot_upload(anna: User) -> None:
    client = Client(enforce_csrf_checks=True, REMOTE_ADDR="192.0.2.1")
    client.force_login(anna)
    assert post(client, file_of()).status_code == 403
