"""Answers that hold files."""

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response


def unchanging(
    request: HttpRequest, sha256: str, content: bytes, content_type: str
) -> HttpResponse:
    """Content under its hash, of a type that its address says and no browser may guess."""
    headers = {
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    response = HttpResponse(content, content_type=content_type, headers=headers)
    response["ETag"] = etag = f'"{sha256}"'
    answer = get_conditional_response(request, etag=etag, response=response)
    assert isinstance(answer, HttpResponse)
    return answer
