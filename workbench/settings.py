"""Every setting, and the only place where an environment variable is read.

.env.example lists and explains the variables.
"""

import hashlib
import ipaddress
import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from kombu import Exchange, Queue

from workbench.masking import readable_address

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
env.read_env(BASE_DIR / ".env")

DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "data"))).expanduser().resolve()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
FRONTEND_DIST = BASE_DIR / "frontend" / "dist"

BIND = env.str("BIND", default="127.0.0.1")
PORT = env.int("PORT", default=8000)
DEBUG = env.bool("DEBUG", default=False)
HTTPS = env.bool("HTTPS", default=False)
TRUSTED_PROXIES: list[str] = env.list("TRUSTED_PROXIES", default=[])


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


# On loopback, visitors are the local user; other addresses need accounts.
LOCAL = _is_loopback(BIND)
HOST_NAMES: list[str] = env.list("ALLOWED_HOSTS", default=[])
ALLOWED_HOSTS = [*HOST_NAMES, "localhost", "127.0.0.1", "[::1]"]
if not (HOST_NAMES or LOCAL or DEBUG):
    raise ImproperlyConfigured(
        f"BIND={BIND} is open to other machines: set ALLOWED_HOSTS to the host names under which "
        "this server is reached (comma-separated)."
    )
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])


def _base_path() -> str:
    """The path below which a proxy serves all of this; empty at the root of its host."""
    given: str = env.str("BASE_PATH", default="").rstrip("/")
    if given and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", given):
        raise ImproperlyConfigured(
            f"BASE_PATH={given!a} is no path. Write it as in an address, for example /glass."
        )
    return given


BASE_PATH = _base_path()
FORCE_SCRIPT_NAME = BASE_PATH or None
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = f"{BASE_PATH}/"


def _secret_key() -> str:
    """SECRET_KEY; on loopback, a key created once and kept with the data."""
    given: str = env.str("SECRET_KEY", default="")
    if given:
        return given
    if not (LOCAL or DEBUG):
        raise ImproperlyConfigured(
            "SECRET_KEY is missing. Set it to a long random text, for example the output of: "
            "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    file = DATA_DIR / "secret_key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(50))
    return file.read_text().strip()


SECRET_KEY = _secret_key()

INSTALLED_APPS = [
    "django.contrib.admin.apps.SimpleAdminConfig",  # its pages are chosen in workbench/admin.py
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "workbench",
    "workbench.accounts",  # its templates go before those of allauth
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "workbench.audit",
    "workbench.catalog",
    "workbench.estimates",
    "workbench.runs",
    "workbench.sessions",
    "workbench.uploads",
]
MIDDLEWARE = [
    "workbench.hosts.known_host_middleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "workbench.api.api_errors_middleware",
    "workbench.static_files.WholeFileMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "workbench.accounts.local.local_user_middleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "workbench.urls"
ASGI_APPLICATION = "workbench.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
APPEND_SLASH = False

LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOCAL_USERNAME = "local"
ANONYMOUS_LINKS = env.bool("ANONYMOUS_LINKS", default=False)
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
ACCOUNT_ADAPTER = "workbench.accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_REDIRECT_URL = f"{BASE_PATH}/login"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # no mail to addresses without an account
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
ACCOUNT_UNIQUE_EMAIL = False  # accounts are not found by an address from a provider
ACCOUNT_LOGIN_ON_PASSWORD_RESET = False  # the login after a reset asks for the second factor
MFA_ADAPTER = "workbench.accounts.adapters.MFAAdapter"
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "Glassbench"
MFA_TOTP_TOLERANCE = 1  # steps of 30 s by which clocks may differ
MFA_RECOVERY_CODES_SHOW_ONCE = True

# Sign-up without an administrator: closed, or open to all users of the provider below.
SIGNUP = env.str("SIGNUP", default="closed")
if SIGNUP not in ("closed", "oidc"):
    raise ImproperlyConfigured(f"SIGNUP={SIGNUP} is none of: closed, oidc.")

OIDC_ISSUER = env.str("OIDC_ISSUER", default="").rstrip("/")
OIDC_NAME = env.str("OIDC_NAME", default="single sign-on")
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
OIDC_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", default="")
if OIDC_ISSUER and not OIDC_CLIENT_ID:
    raise ImproperlyConfigured("OIDC_ISSUER is set: set OIDC_CLIENT_ID too.")
if OIDC_ISSUER and not (
    OIDC_ISSUER.startswith("https://") or _is_loopback(urlsplit(OIDC_ISSUER).hostname or "")
):
    raise ImproperlyConfigured(f"OIDC_ISSUER={OIDC_ISSUER} must begin with https://.")
SOCIALACCOUNT_ADAPTER = "workbench.accounts.adapters.SocialAccountAdapter"
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "sso",
                "name": OIDC_NAME,
                "client_id": OIDC_CLIENT_ID,
                "secret": OIDC_CLIENT_SECRET,
                "settings": {"server_url": OIDC_ISSUER},
            }
        ]
        if OIDC_ISSUER
        else [],
    }
}

# E-mail is used only for forgotten passwords, and only if a server is set.
EMAIL_URL = readable_address("EMAIL_URL", env.str("EMAIL_URL", default=""))
vars().update(env.email_url_config(EMAIL_URL or "dummymail://"))
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="glassbench@localhost")

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_REFERRER_POLICY = "same-origin"
CSRF_FAILURE_VIEW = "workbench.pages.csrf_failure"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

STATIC_URL = f"{BASE_PATH}/static/"
STATICFILES_DIRS = [FRONTEND_DIST] if FRONTEND_DIST.is_dir() else []
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/assets/.+-[\w-]{8}\.\w+$"

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url_config(
        readable_address("DATABASE_URL", env.str("DATABASE_URL", default=""))
        or f"sqlite:///{DATA_DIR / 'glassbench.sqlite3'}"
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Readers do not wait for the writer; a transaction takes the write lock when it begins, so that
    # it cannot fail later for lack of it.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}

SOCKET_PATH_BYTES = 104  # the limit of macOS, the lower one


def _redis_socket() -> Path:
    """The socket in DATA_DIR, or in a private temporary folder if that path is too long."""
    file = DATA_DIR / "redis.sock"
    if len(os.fsencode(file)) < SOCKET_PATH_BYTES:
        return file
    name = hashlib.sha256(os.fsencode(DATA_DIR)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"glassbench-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise ImproperlyConfigured(f"{folder} belongs to another user. Set a shorter DATA_DIR.")
    return folder / "redis.sock"


EMBEDDED_REDIS = not env.str("REDIS_URL", default="")
REDIS_SOCKET = _redis_socket()
REDIS_URL = (
    readable_address("REDIS_URL", env.str("REDIS_URL", default="")) or f"unix://{REDIS_SOCKET}"
)
CACHES = {  # counts log-ins over all processes
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "glassbench",
        "OPTIONS": {"serializer": "workbench.accounts.cache.JSONSerializer"},
    }
}
CHANNEL_LAYERS = {
    "default": {
        # The default layer drops messages of a burst; see docs/decisions/0011.
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL}], "prefix": "glassbench"},
    }
}

WORKER_QUEUES: list[str] = env.list(
    "WORKER_QUEUES",
    default=["default", "causal_lm", "masked_diffusion_lm", "vision_language", "text_to_image"],
)
PRELOAD_MODEL = env.str("PRELOAD_MODEL", default="demo-lm")
CANCEL_GRACE_SECONDS = env.float("CANCEL_GRACE_SECONDS", default=10.0)
# Memory limit of a worker, without mapped files; 0: nine tenths of all memory.
WORKER_MEMORY_BYTES = env.int("WORKER_MEMORY_BYTES", default=0)
LEASE_SECONDS = env.float("LEASE_SECONDS", default=10.0)
MAX_LOST_WORKERS = 3
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in WORKER_QUEUES]
CELERY_IMPORTS = ["workbench.worker.tasks", "workbench.worker.life"]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_POOL = "solo"
CELERY_WORKER_CONCURRENCY = 1
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]

MODEL_DIRS = [Path(folder).expanduser() for folder in env.list("MODEL_DIRS", default=[])]
TRUSTED_REMOTE_CODE: list[str] = env.list("TRUSTED_REMOTE_CODE", default=[])

STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": env.str(
            "ARTIFACT_STORAGE", default="django.core.files.storage.FileSystemStorage"
        ),
        "OPTIONS": env.json(
            "ARTIFACT_STORAGE_OPTIONS",
            default={"location": str(DATA_DIR / "artifacts"), "allow_overwrite": True},
        ),
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

CHROMIUM = env.str("CHROMIUM", default="")
CHROMIUM_SANDBOX = env.bool("CHROMIUM_SANDBOX", default=True)

DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 2**20
MAX_PARAMS_BYTES = 2**20
MAX_EVENT_BYTES = 64 * 2**10
MAX_INLINE_BYTES = 36 * 2**10
MAX_SOCKET_MESSAGE_BYTES = 4 * 2**10
MAX_WATCHES = 50
MAX_DOCUMENT_BYTES = 4 * 2**20
MAX_QUEUED_RUNS = env.int("MAX_QUEUED_RUNS", default=20)
MAX_SESSIONS = env.int("MAX_SESSIONS", default=1000)
LINK_RUNS_PER_HOUR = env.int("LINK_RUNS_PER_HOUR", default=20)
LINK_OPENS_PER_MINUTE = 30
MAX_IMPORT_BYTES = env.int("MAX_IMPORT_BYTES", default=100_000_000)
MAX_UPLOADS = env.int("MAX_UPLOADS", default=100)
AUDIT_DAYS = env.int("AUDIT_DAYS", default=365)

LOG_LINE = "{levelname:7} {name}: {message}"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": LOG_LINE, "style": "{"},
        "one_line": {"()": "workbench.hosts.OneLine", "fmt": LOG_LINE, "style": "{"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
        "strangers": {"class": "logging.StreamHandler", "formatter": "one_line"},
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "workbench": {"level": env.str("LOG_LEVEL", default="INFO")},
        "django.security": {"handlers": ["strangers"], "propagate": False},
        "django.request": {"level": "ERROR"},  # the visitor sees what was wrong
    },
}
