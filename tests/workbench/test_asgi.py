"""The web process stays small: it never imports torch."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, sys
from workbench.asgi import application
from analysis.catalog.entries import describe
from workbench.catalog.selectors import catalog, model_list
from workbench.catalog.methods import method_list
import workbench.management.commands.serve

assert method_list()
assert [describe(entry) for entry in catalog().entries()]  # what model_list reads of files
sent = []

async def ask():
    scope = {
        "type": "http", "method": "GET", "path": "/api/methods", "raw_path": b"/api/methods",
        "query_string": b"", "headers": [(b"host", b"localhost")], "client": ("192.0.2.1", 5),
        "server": ("localhost", 80), "scheme": "http", "http_version": "1.1", "root_path": "",
    }
    received = iter([{"type": "http.request", "body": b"", "more_body": False}])
    async def receive():
        for message in received:
            return message
        await asyncio.Event().wait()
    async def send(message):
        sent.append(message)
    await application(scope, receive, send)

asyncio.run(ask())
print(sent[0]["status"], sorted({"torch", "transformers", "transformer_lens"} & set(sys.modules)))
"""


def test_a_request_is_answered_without_torch(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "workbench.settings",
            "DATA_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == "401 []\n", result.stderr
