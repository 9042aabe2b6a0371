"""Hides passwords in the addresses of servers."""

import re
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

# Greedy: also hides a password that contains an unescaped @.
IN_ACCOUNT = re.compile(r"(?<=://)([^:@/?#]*:).+@")
IN_QUERY = re.compile(r"([?&][^=&]*(?:pass|secret|key|token)[^=&]*=)[^&]*", re.IGNORECASE)


def masked(url: str) -> str:
    """The address with *** for its password; user name and host stay."""
    return IN_QUERY.sub(r"\1***", IN_ACCOUNT.sub(r"\1***@", url))


def readable_address(setting: str, url: str) -> str:
    """The address. Raises ImproperlyConfigured, which quotes no part of the password."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ImproperlyConfigured(
            f"{setting}={masked(url)!a} is no address. In a name or a password write : / ? # [ ] @ "
            "as %3A %2F %3F %23 %5B %5D %40."
        ) from None  # the original error quotes a part of the password
    return url
