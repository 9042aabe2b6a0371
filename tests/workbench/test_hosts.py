"""Unknown host names get a typed error and one line in the log."""

import io
import logging
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.test import Client

from workbench.hosts import LONGEST_LINE, OneLine

pytestmark = pytest.mark.django_db
WRONG = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "a b",
    "[::",
    "x" * 5000,
    "é",
]


@pytest.fixture(autouse=True)
def hosts(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver", "localhost"]


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("host", WRONG)
def test_a_wrong_host_is_refused_in_one_line(
    host: str, secure: object, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = secure
    answer = Client().get("/api/me", headers={"host": host})
    assert answer.status_code == 400
    assert answer.json()["code"] == "unknown_host"
    (record,) = caplog.records
    assert record.exc_info is None
    assert len(record.getMessage().splitlines()) == 1
    assert len(record.getMessage()) < LONGEST_LINE


def test_a_page_for_a_wrong_host_says_so_in_words() -> None:
    answer = Client().get("/runs", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert answer["Content-Type"] == "text/plain"
    assert "ALLOWED_HOSTS" in answer.content.decode()
    assert "evil" not in answer.content.decode()


@pytest.mark.parametrize("host", ["testserver", "localhost", "localhost:8000"])
def test_a_host_that_is_named_is_answered(host: str, caplog: pytest.LogCaptureFixture) -> None:
    assert Client().get("/api/me", headers={"host": host}).status_code != 400
    assert not caplog.records


def test_what_strangers_write_into_the_log_stays_a_short_line(settings: Any) -> None:
    chosen = settings.LOGGING["loggers"]["django.security"]
    assert chosen == {"handlers": ["strangers"], "propagate": False}
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(OneLine("{levelname} {message}", style="{"))
    logger = logging.Logger("django.security.SuspiciousOperation")
    logger.addHandler(handler)
    try:
        raise SuspiciousOperation("a\nb\x1b[2J" + "c" * 5000)
    except SuspiciousOperation as error:
        logger.error("%s", error, exc_info=error)
    assert written.getvalue().count("\n") == 1
    assert "\x1b" not in written.getvalue()
    assert len(written.getvalue()) <= LONGEST_LINE + 1
