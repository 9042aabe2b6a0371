"""Settings match the list of variables, and unsafe ones are refused."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHOW = "from django.conf import settings as s; print(({}))"


def start(
    tmp_path: Path, show: str = "s.DEBUG", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Load the settings in a process with only these variables."""
    passed = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", SHOW.format(show)],
        cwd=ROOT,
        env={
            **passed,
            "DJANGO_SETTINGS_MODULE": "workbench.settings",
            "DATA_DIR": str(tmp_path),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def read_variables() -> set[str]:
    """Names given to `env.…("NAME")` in the settings file."""
    tree = ast.parse((ROOT / "workbench/settings.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "env"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }


def test_each_variable_is_listed_and_each_listed_one_is_read() -> None:
    listed = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), flags=re.M)
    assert sorted(listed) == sorted(read_variables())


def test_variables_are_read_nowhere_else() -> None:
    files = [*(ROOT / "workbench").rglob("*.py"), ROOT / "manage.py"]
    readers = [
        file.relative_to(ROOT).as_posix()
        for file in files
        if re.search(r"os\.environ\[|os\.environ\.get|getenv|environ\.Env", file.read_text())
    ]
    assert readers == ["workbench/settings.py"]


def test_an_open_address_without_a_key_does_not_start(tmp_path: Path) -> None:
    result = start(tmp_path, BIND="0.0.0.0", ALLOWED_HOSTS="lab.example")
    assert result.returncode != 0
    assert "SECRET_KEY is missing" in result.stderr
    assert not list(tmp_path.iterdir())


def test_an_open_address_without_host_names_does_not_start(tmp_path: Path) -> None:
    result = start(tmp_path, BIND="0.0.0.0", SECRET_KEY="x" * 50)
    assert result.returncode != 0
    assert "ALLOWED_HOSTS" in result.stderr


def test_on_loopback_a_key_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    first = start(tmp_path, "s.SECRET_KEY")
    assert first.returncode == 0, first.stderr
    assert len(first.stdout.strip()) > 50
    assert start(tmp_path, "s.SECRET_KEY").stdout == first.stdout
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0


def test_only_loopback_is_local(tmp_path: Path) -> None:
    open_address = {"ALLOWED_HOSTS": "lab.example", "SECRET_KEY": "x" * 50}
    assert start(tmp_path, "s.LOCAL").stdout == "True\n"
    assert start(tmp_path, "s.LOCAL", BIND="::1").stdout == "True\n"
    assert start(tmp_path, "s.LOCAL", BIND="0.0.0.0", **open_address).stdout == "False\n"


def test_real_servers_are_a_matter_of_two_variables(tmp_path: Path) -> None:
    result = start(
        tmp_path,
        "s.DATABASES['default']['ENGINE'], s.CELERY_BROKER_URL, s.EMBEDDED_REDIS, "
        "s.CHANNEL_LAYERS['default']['CONFIG']['hosts']",
        DATABASE_URL="postgres://user:word@db.example/bench",
        REDIS_URL="redis://cache.example:6379/1",
    )
    engine, broker, embedded, hosts = ast.literal_eval(result.stdout)
    assert engine == "django.db.backends.postgresql"
    assert broker == "redis://cache.example:6379/1"
    assert embedded is False
    assert hosts == [{"address": "redis://cache.example:6379/1"}]


def test_a_path_too_long_for_a_socket_gets_a_private_folder(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    socket = Path(start(deep, "s.REDIS_SOCKET").stdout.strip())
    assert len(str(socket)) < 104
    assert socket.parent.stat().st_mode & 0o077 == 0


def test_safety_headers_follow_https(tmp_path: Path) -> None:
    shown = "s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_HSTS_SECONDS > 0"
    assert start(tmp_path, shown).stdout == "(False, False, False)\n"
    assert start(tmp_path, shown, HTTPS="on").stdout == "(True, True, True)\n"


def test_single_sign_on_needs_a_client_and_https(tmp_path: Path) -> None:
    issuer = {"OIDC_ISSUER": "https://id.example"}
    assert "set OIDC_CLIENT_ID too" in start(tmp_path, **issuer).stderr
    plain = {"OIDC_ISSUER": "http://id.example", "OIDC_CLIENT_ID": "bench"}
    assert "must begin with https://" in start(tmp_path, **plain).stderr
    shown = "len(s.SOCIALACCOUNT_PROVIDERS['openid_connect']['APPS']), s.SIGNUP"
    assert start(tmp_path, shown, **issuer, OIDC_CLIENT_ID="bench").stdout == "(1, 'closed')\n"
    assert start(tmp_path, shown).stdout == "(0, 'closed')\n"
    assert "none of: closed, oidc" in start(tmp_path, SIGNUP="open").stderr


def test_mail_goes_nowhere_unless_a_server_is_named(tmp_path: Path) -> None:
    shown = "s.EMAIL_BACKEND.rsplit('.', 2)[1], s.EMAIL_HOST"
    assert start(tmp_path, shown).stdout.startswith("('dummy'")
    named = start(tmp_path, shown, EMAIL_URL="smtp+tls://me:word@mail.example:587")
    assert named.stdout == "('smtp', 'mail.example')\n"
