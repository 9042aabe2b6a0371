"""No message shows a password."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from workbench.masking import masked, readable_address

ROOT = Path(__file__).resolve().parents[2]
SECRET = "not-a-real-secret"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"redis://:{SECRET}@127.0.0.1:9/0", "redis://:***@127.0.0.1:9/0"),
        (f"rediss://anna:{SECRET}%40@host:6380/1", "rediss://anna:***@host:6380/1"),
        (f"postgres://anna:a@{SECRET}@host/db", "postgres://anna:***@host/db"),
        (f"redis://:a/{SECRET}@host/0", "redis://:***@host/0"),
        (f"redis://:{SECRET}#/?[a@host/0", "redis://:***@host/0"),
        (f"redis://host/0?password={SECRET}&db=1", "redis://host/0?password=***&db=1"),
        (f"unix:///r.sock?db=1&password={SECRET}", "unix:///r.sock?db=1&password=***"),
        (
            f"postgres://anna@host/db?sslpassword={SECRET}",
            "postgres://anna@host/db?sslpassword=***",
        ),
        ("redis://anna@host:6379/0", "redis://anna@host:6379/0"),
        ("unix:///tmp/redis.sock", "unix:///tmp/redis.sock"),
    ],
)
def test_a_password_is_masked(url: str, shown: str) -> None:
    assert masked(url) == shown


@pytest.mark.parametrize("password", [f"{SECRET}/b", f"{SECRET}#b", f"a[{SECRET}", f"a?{SECRET}"])
def test_a_password_that_is_not_escaped_is_refused_and_not_shown(password: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"REDIS_URL.*%2F") as refused:
        readable_address("REDIS_URL", f"redis://:{password}@host:1/0")
    assert SECRET not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("url", ["", "unix:///r.sock", "postgres://anna:a%2Fb@host:1/db"])
def test_an_address_that_can_be_read_stays(url: str) -> None:
    assert readable_address("REDIS_URL", url) == url


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("REDIS_URL", f"redis://:{SECRET}@127.0.0.1:9/0"),
        ("REDIS_URL", f"redis://:{SECRET}/b@127.0.0.1:9/0"),
        ("REDIS_URL", f"redis://127.0.0.1:9/0?password={SECRET}"),
        ("DATABASE_URL", f"postgres://anna:{SECRET}@127.0.0.1:9/db"),
        ("DATABASE_URL", f"postgres://anna:{SECRET}/b@127.0.0.1:9/db"),
        ("EMAIL_URL", f"carrier+pigeon://anna:{SECRET}@127.0.0.1:9"),
        ("EMAIL_URL", f"smtp://anna:{SECRET}/b@127.0.0.1:9"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_no_command_prints_one(command: str, setting: str, value: str, tmp_path: Path) -> None:
    dead = "redis://127.0.0.1:9/0"
    places = {"DATA_DIR": str(tmp_path), "PORT": "0", "REDIS_URL": dead}
    environment = {**os.environ, **places, setting: value}
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
