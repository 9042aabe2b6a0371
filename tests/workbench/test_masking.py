"""No message shows a password."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.masking import masked

ROOT = Path(__file__).resolve().parents[2]
SECRET = "not-a-real-secret"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"redis://:{SECRET}@127.0.0.1:9/0", "redis://:***@127.0.0.1:9/0"),
        (f"rediss://anna:{SECRET}%40@host:6380/1", "rediss://anna:***@host:6380/1"),
        (f"postgres://anna:a@{SECRET}@host/db", "postgres://anna:***@host/db"),
        ("redis://anna@host:6379/0", "redis://anna@host:6379/0"),
        ("unix:///tmp/redis.sock", "unix:///tmp/redis.sock"),
    ],
)
def test_a_password_is_masked(url: str, shown: str) -> None:
    assert masked(url) == shown


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("REDIS_URL", f"redis://:{SECRET}@127.0.0.1:9/0"),
        ("DATABASE_URL", f"postgres://anna:{SECRET}@127.0.0.1:9/db"),
        ("EMAIL_URL", f"carrier+pigeon://anna:{SECRET}@127.0.0.1:9"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_no_command_prints_one(command: str, setting: str, value: str, tmp_path: Path) -> None:
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "PORT": "0", setting: value}
    start = "import workbench.management.commands.serve as s; s.REDIS_SECONDS = 0;"
    code = f"import django; django.setup(); {start} from django.core.management import call_command"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; call_command({command!r}, *{_options(command)!r})"],
        cwd=ROOT,
        env={**environment, "DJANGO_SETTINGS_MODULE": "workbench.settings"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert SECRET not in done.stdout + done.stderr


def _options(command: str) -> list[str]:
    """With these the command ends: `serve` by itself only where no Redis answers."""
    return ["--plan"] if command == "migrate" else []
