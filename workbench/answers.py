"""Responses of API operations: error statuses, and files that never change."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from pydantic import BaseModel

# Any operation may answer these: most come from the middleware.
REFUSALS = frozenset(
    int(status)
    for status in (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
    )
)


def unchanging(
    request: HttpRequest, sha256: str, content: bytes, content_type: str
) -> HttpResponse:
    """A response with content that is addressed by its hash and cached forever."""
    headers = {
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    response = HttpResponse(content, content_type=content_type, headers=headers)
    response["ETag"] = etag = f'"{sha256}"'
    answer = get_conditional_response(request, etag=etag, response=response)
    assert isinstance(answer, HttpResponse)
    return answer


class ErrorOut(BaseModel):
    """Why something was refused or failed, and what to do."""

    code: str
    message: str
    remedy: str
    field: str | None = None
