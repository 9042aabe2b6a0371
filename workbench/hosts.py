"""Refuses requests for unknown host names, and logs them in one short line."""

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse

from workbench.errors import UnknownHost

LONGEST_LINE = 300

log = logging.getLogger(__name__)


def known_host_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Refuses requests whose Host is not in ALLOWED_HOSTS, before other middleware reads it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        try:
            request.get_host()
        except DisallowedHost:
            return _refuse(request)
        return get_response(request)

    return middleware


def _refuse(request: HttpRequest) -> HttpResponse:
    log.warning("Refused a request for the host %.100a", request.META.get("HTTP_HOST", ""))
    error = UnknownHost(
        "This server does not answer to the host name of the request.",
        remedy="Use an address that its administrator has named in ALLOWED_HOSTS.",
    )
    status, headers = HTTPStatus(error.status), {"X-Content-Type-Options": "nosniff"}
    if request.path_info.startswith("/api/"):
        return JsonResponse(error.as_dict(), status=status, headers=headers)
    text = f"{error.message} {error.remedy}\n"
    return HttpResponse(text, status=status, headers=headers, content_type="text/plain")


class OneLine(logging.Formatter):
    """Formats records that strangers can cause: one short line without a traceback."""

    def formatException(self, ei: object) -> str:
        return ""

    def format(self, record: logging.LogRecord) -> str:
        return ascii(super().format(record))[1:-1][:LONGEST_LINE]
