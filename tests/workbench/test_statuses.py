"""Every status that an operation answers is declared in the schema."""

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from workbench.answers import REFUSALS
from workbench.api import api

pytestmark = pytest.mark.django_db
SCHEMA: dict[str, Any] = api.get_openapi_schema(path_prefix="/api/")
OPERATIONS = [
    (path, verb, operation)
    for path, verbs in SCHEMA["paths"].items()
    for verb, operation in verbs.items()
]
BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"{}",
    b'{"a":NaN}',
    b'{"a":"\\ud800"}',
    b"\xff\xfe",
    b"[" * 5_000,
    b'{"a":[' + b"[]," * 60_000 + b"[]]}",
    b'{"format":1,"panels":"x","title":[],"token":{},"role":"owner","username":"\\u0000"}',
    json.dumps({"id": str(uuid.uuid4()), "method": "none", "model": "none"}).encode(),
    json.dumps({"role": "viewer", "username": "nobody"}).encode(),
    json.dumps({"body": "x", "panel": str(uuid.uuid4()), "anchor": {"type": "panel"}}).encode(),
    b'{"a":"' + b"x" * (5 * 2**20) + b'"}',
]
VALUES = ["x", "0", "%00", str(uuid.uuid4()), "a" * 64, "9" * 400]
KINDS = ["application/json", "text/plain", "multipart/form-data; boundary=x"]


@pytest.mark.parametrize(("path", "verb", "operation"), OPERATIONS)
def test_an_operation_names_every_refusal(path: str, verb: str, operation: dict[str, Any]) -> None:
    assert {str(status) for status in REFUSALS} <= {str(key) for key in operation["responses"]}


@pytest.mark.parametrize(("path", "verb", "operation"), OPERATIONS)
def test_responses_of_operations_are_in_the_schema(
    path: str, verb: str, operation: dict[str, Any], anna_client: Client, stranger_client: Client
) -> None:
    named = {str(key) for key in operation["responses"]}
    asked = [(value, b"{}", KINDS[0], "") for value in VALUES]
    asked += [(VALUES[3], b"{}", KINDS[0], "?limit=x&before=%00&after=-1&attempt=1e9&session=x")]
    if verb != "get":
        asked += [(VALUES[3], body, KINDS[0], "") for body in BODIES]
        asked += [(VALUES[3], b"{}", kind, "") for kind in KINDS[1:]]
    requests = [(anna_client, *one) for one in asked] + [(stranger_client, *asked[0])]
    for client, value, body, kind, query in requests:
        address = filled(path, value) + query
        answer = client.generic(verb.upper(), address, body, content_type=kind)
        assert str(answer.status_code) in named, (address, body[:50], answer.content[:200])


def filled(path: str, value: str) -> str:
    parts = [value if part.startswith("{") else part for part in path.split("/")]
    return "/".join(parts).replace("{sha256}", value)
