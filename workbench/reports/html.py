"""A report as one HTML file that opens from disk: page, style, script and data, without network.

The file's content security policy allows only its own script and style, by hash, and loads nothing.
Texts of users are in the title, escaped, and in data blocks that browsers do not execute.
"""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from django.conf import settings
from django.utils.html import escape

from workbench.reports.document import Report, RunRecord
from workbench.reports.errors import ReportPageMissing
from workbench.reports.page import page_report

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex, nofollow">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="Glassbench">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<div id="report"></div>
<noscript>This report draws its pictures in the browser and needs JavaScript.</noscript>
{data}
<script>{script}</script>
</body>
</html>
"""


def html_build(
    report: Report, *, made_at: datetime | None = None, compressed: bool = True
) -> bytes:
    """The file. `compressed=False`: larger, but read synchronously, which printing needs.

    Raises ReportPageMissing; KeyError if an array or picture of a run is not in its files.
    """
    script, style = _inline_script(_built("report.js")), _inline_style(_built("report.css"))
    page = PAGE.format(
        policy=_policy(script, style),
        title=escape(report.title),
        style=style,
        data="\n".join(_data(report, made_at or datetime.now(UTC), compressed=compressed)),
        script=script,
    )
    return page.encode("utf-8", "xmlcharrefreplace")


def _built(name: str) -> str:
    file = settings.FRONTEND_DIST / "report" / name
    if not file.is_file():
        raise ReportPageMissing(
            f"The report's page is not built: there is no {name}.",
            remedy="Run `make frontend` where the server is installed.",
        )
    text: str = file.read_text(encoding="utf-8")
    return text


def _inline_script(code: str) -> str:
    """The code with the sequences escaped that would end its element; both occur in literals."""
    return re.sub(r"<(?=/script|!--)", r"\\x3c", code, flags=re.IGNORECASE)


def _inline_style(code: str) -> str:
    return re.sub(r"<(?=/style|!--)", r"\\3c ", code, flags=re.IGNORECASE)


def _policy(script: str, style: str) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash(script)}",
            f"style-src {_hash(style)}",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _data(report: Report, made_at: datetime, *, compressed: bool) -> Iterator[str]:
    at = made_at.isoformat(timespec="seconds")
    outline = page_report(report, made_at=at)
    text = json.dumps(outline.model_dump(mode="json"), allow_nan=False).replace("<", "\\u003c")
    yield f'<script type="application/json" id="outline">{text}</script>'
    for name, content in _blocks(report):
        yield _block(name, content, compressed=compressed)


def _blocks(report: Report) -> Iterator[tuple[str, bytes]]:
    """Events by number of their panel, and each array and picture once, by hash."""
    seen: set[str] = set()
    for number, panel in enumerate(report.panels, 1):
        if panel.run is None:
            continue
        payloads = ",".join(event.payload for event in panel.run.events)
        yield f"events-{number}", f"[{payloads}]".encode()
        for sha256, content in _files(panel.run):
            if sha256 not in seen:
                seen.add(sha256)
                yield f"file-{sha256}", content


def _files(run: RunRecord) -> Iterator[tuple[str, bytes]]:
    for ref in [*run.arrays.values(), *run.pictures.values()]:
        if ref["data"] is None:
            yield ref["sha256"], run.content(ref)


def _block(name: str, content: bytes, *, compressed: bool) -> str:
    """The content in base64, compressed if that makes it smaller."""
    zipped = gzip.compress(content, 9, mtime=0) if compressed else content
    kind, packed = ("gzip", zipped) if len(zipped) < len(content) else ("plain", content)
    text = base64.b64encode(packed).decode()
    return f'<script type="text/plain" id="{escape(name)}" data-kind="{kind}">{text}</script>'
