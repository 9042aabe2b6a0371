"""Requests in JSON, as the page makes them."""

import json
from typing import Any

from django.test import Client

Json = dict[str, Any]


def send(client: Client, verb: str, path: str, body: Json | None = None) -> Any:
    content = {} if body is None else {"data": json.dumps(body, default=str)}
    return client.generic(verb.upper(), path, content_type="application/json", **content)


def taken(answer: Any, status: int = 200) -> Any:
    """The content of an answer that must have this status."""
    assert answer.status_code == status, (answer.status_code, answer.content)
    return answer.json() if answer.content else None


def refused(answer: Any, status: int, code: str) -> Json:
    found: Json = answer.json()
    assert (answer.status_code, found.get("code")) == (status, code), found
    assert found["message"]
    assert found["remedy"]
    return found


def open_link(client: Client, token: str) -> Any:
    return send(client, "post", "/api/links/open", {"token": token})
