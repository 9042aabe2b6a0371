"""Addresses of servers as they may stand in a message."""

from urllib.parse import urlsplit


def masked(url: str) -> str:
    """The address with *** for its password; a user's name and the host stay."""
    netloc = urlsplit(url).netloc
    account, at, host = netloc.rpartition("@")
    name, colon, password = account.partition(":")
    return url.replace(netloc, f"{name}{colon}***{at}{host}", 1) if password else url
