"""Every test process has its own data folder, and with it its own database file and Redis.

Real servers named by DATABASE_URL and REDIS_URL are used as they are.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from jaxtyping import install_import_hook

import tests.typechecker  # noqa: F401  found by the name below

install_import_hook("analysis", "tests.typechecker.checked")  # types and shapes at each call

if shutil.which("nvidia-smi") is None:  # kernels are interpreted: said before Triton is imported
    os.environ.setdefault("TRITON_INTERPRET", "1")

SCRATCH = Path(tempfile.mkdtemp(prefix="glassbench-"))

settings.DATA_DIR = SCRATCH
settings.STORAGES["default"]["OPTIONS"]["location"] = str(SCRATCH / "artifacts")
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if "sqlite3" in settings.DATABASES["default"]["ENGINE"]:
    settings.DATABASES["default"]["TEST"]["NAME"] = str(SCRATCH / "test.sqlite3")
if settings.EMBEDDED_REDIS:
    settings.REDIS_SOCKET = SCRATCH / "redis.sock"
    settings.REDIS_URL = f"unix://{settings.REDIS_SOCKET}"
    settings.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"] = [{"address": settings.REDIS_URL}]
    settings.CACHES["default"]["LOCATION"] = settings.REDIS_URL
    settings.CELERY_BROKER_URL = settings.REDIS_URL.replace("unix://", "redis+socket://")


@pytest.fixture(scope="session", autouse=True)
def _scratch() -> Iterator[None]:
    yield
    shutil.rmtree(SCRATCH, ignore_errors=True)
