"""The audit log of a session over HTTP, for its owner only."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.workbench.sessions.calls import open_link, refused, send, taken
from workbench.sessions.models import Session


@pytest.fixture
def path(anna: User) -> str:
    return f"/api/sessions/{Session.objects.create(owner=anna, title='Balls').pk}"


def test_the_owner_reads_what_was_done(
    anna_client: Client, tom_client: Client, tom: User, path: str
) -> None:
    link = taken(send(anna_client, "post", f"{path}/links", {"role": "viewer"}), 201)
    taken(open_link(tom_client, link["token"]))
    taken(send(anna_client, "post", f"{path}/members", {"username": "tom", "role": "editor"}))
    answer = anna_client.get(f"{path}/audit")
    log = taken(answer)
    assert [(entry["action"], entry["actor"], entry["subject"]) for entry in log] == [
        ("member_changed", "anna", "tom"),
        ("link_opened", "tom", ""),
        ("link_created", "anna", ""),
    ]
    assert log[2]["detail"] == {"role": "viewer"}
    assert link["token"] not in answer.content.decode()
    assert "192.0.2" not in answer.content.decode(), "from where somebody came is not the owner's"


def test_the_log_is_read_page_by_page(anna_client: Client, path: str) -> None:
    for _ in range(3):
        taken(send(anna_client, "post", f"{path}/links", {"role": "viewer"}), 201)
    first = taken(anna_client.get(f"{path}/audit?limit=2"))
    rest = taken(anna_client.get(f"{path}/audit?before={first[-1]['id']}"))
    assert (len(first), len(rest)) == (2, 1)
    refused(anna_client.get(f"{path}/audit?limit=501"), 422, "invalid_query")
    refused(anna_client.get(f"{path}/audit?before=0"), 422, "invalid_query")
    refused(anna_client.get(f"{path}/audit?before={2**70}"), 422, "invalid_query")


def test_nobody_else_reads_it(
    anna_client: Client, tom_client: Client, tom: User, stranger_client: Client, path: str
) -> None:
    refused(tom_client.get(f"{path}/audit"), 404, "session_not_found")
    taken(send(anna_client, "post", f"{path}/members", {"username": "tom", "role": "editor"}))
    refused(tom_client.get(f"{path}/audit"), 403, "role_missing")
    refused(stranger_client.get(f"{path}/audit"), 401, "login_required")
