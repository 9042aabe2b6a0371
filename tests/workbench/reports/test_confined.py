"""A hostile bundle is refused without load on the web process."""

import json
import os
import random
import resource

import pytest

from analysis.errors import GlassbenchError
from tests.workbench.reports.test_bundle import PANEL, change
from workbench.reports.archive import archive_write
from workbench.reports.bundle import bundle_build
from workbench.reports.confined import bundle_read_confined
from workbench.reports.document import CommentRecord, PanelRecord, Report, ThreadRecord
from workbench.reports.errors import BundleRefused
from workbench.reports.reading import MAX_JSON_BYTES, bundle_read

pytestmark = pytest.mark.django_db

NOW = "2026-01-02T00:00:00+00:00"
COMMENT = CommentRecord(PANEL.format(3), "anna", "Look", NOW)
THREAD = ThreadRecord(PANEL.format(2), PANEL.format(1), {"type": "panel"}, (COMMENT,), NOW)
REPORT = Report("Balls", (PanelRecord(PANEL.format(1), "A note"),), (THREAD,))


def bomb(values: int, name: str = "manifest.json") -> bytes:
    """A bundle whose JSON holds many empty lists, packed just below the limit of the ratio."""
    noise = "".join(random.Random(0).choices("0123456789abcdef", k=values // 25))
    return archive_write({name: json.dumps({"p": noise, "x": [[]] * values}).encode()})


@pytest.mark.parametrize("values", [400_000, 10_000_000])
def test_a_manifest_of_too_many_values_is_refused_unparsed(values: int) -> None:
    began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(GlassbenchError, match=r"more than|the limit is"):
        bundle_read(bomb(values))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began) * 1024
    assert grown < 40 * values + MAX_JSON_BYTES  # the bytes themselves, some times over


def test_comments_have_the_same_limit() -> None:
    def swell(files: dict[str, bytes]) -> None:
        files["comments.json"] = b'{"x":[' + b"[]," * 400_000 + b"0]}"

    with pytest.raises(GlassbenchError, match="more than"):
        bundle_read(change(bundle_build(REPORT), swell, hashed=True))


def test_a_large_bundle_is_read_in_another_process() -> None:
    def swell(files: dict[str, bytes]) -> None:
        files["report.md"] = os.urandom(3 * 2**20).hex().encode()

    content = change(bundle_build(REPORT), swell, hashed=True)
    assert bundle_read_confined(content) == bundle_read(content)


@pytest.mark.parametrize(
    ("limits", "message"),
    [({"memory_bytes": 2**20}, "memory"), ({"deadline": 0.01}, "seconds")],
)
def test_what_takes_too_much_is_refused(limits: dict[str, float], message: str) -> None:
    content = archive_write({"manifest.json": os.urandom(3 * 2**20).hex().encode()})
    with pytest.raises(BundleRefused, match=message):
        bundle_read_confined(content, **limits)  # type: ignore[arg-type]


def test_its_own_refusals_come_back_typed() -> None:
    content = archive_write({"evil.py": os.urandom(3 * 2**20).hex().encode()})
    with pytest.raises(BundleRefused, match=r"no manifest\.json") as caught:
        bundle_read_confined(content)
    assert caught.value.remedy
