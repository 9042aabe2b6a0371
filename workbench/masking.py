"""Addresses of servers in a form that is safe in messages."""

import re
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

# Greedy: a password that holds an @, or anything else that should be escaped, is hidden whole.
IN_ACCOUNT = re.compile(r"(?<=://)([^:@/?#]*:).+@")
IN_QUERY = re.compile(r"([?&][^=&]*(?:pass|secret|key|token)[^=&]*=)[^&]*", re.IGNORECASE)


def masked(url: str) -> str:
    """The address with *** for its password; a user's name and the host stay."""
    return IN_QUERY.sub(r"\1***", IN_ACCOUNT.sub(r"\1***@", url))


def readable_address(setting: str, url: str) -> str:
    """The address itself, or ImproperlyConfigured: what libraries say quotes a piece of it."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ImproperlyConfigured(
            f"{setting}={masked(url)!a} is no address. In a name or a password write : / ? # [ ] @ "
            "as %3A %2F %3F %23 %5B %5D %40."
        ) from None  # the error that came first holds a part of the password
    return url
