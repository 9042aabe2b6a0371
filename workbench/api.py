"""The HTTP API: its routes, its login, and the conversion of errors to responses."""

import logging
from collections.abc import Callable
from http import HTTPStatus

import redis
from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import SessionAuth

from analysis.errors import (
    GlassbenchError,
    PictureTooLarge,
    UnknownMethod,
    UnknownModel,
    UnknownPicture,
)
from workbench.body import BodyParser
from workbench.errors import (
    EdgeError,
    Forbidden,
    InvalidBody,
    InvalidQuery,
    LoginRequired,
    MethodNotAllowed,
    NotFound,
    ServerFault,
    TooLarge,
    Unavailable,
)
from workbench.routes.accounts import router as accounts_router
from workbench.routes.audit import router as audit_router
from workbench.routes.catalog import router as catalog_router
from workbench.routes.comments import router as comments_router
from workbench.routes.estimates import router as estimates_router
from workbench.routes.reports import router as reports_router
from workbench.routes.runs import router as runs_router
from workbench.routes.sessions import router as sessions_router
from workbench.routes.sharing import router as sharing_router
from workbench.routes.uploads import router as uploads_router
from workbench.storage import storage_refusal

PREFIX = "/api/"

log = logging.getLogger(__name__)

api = NinjaAPI(
    title="Glassbench",
    version="1",
    auth=SessionAuth(),
    parser=BodyParser(),
    docs_url=None,
    openapi_url=None,
)
for router in (
    accounts_router,
    audit_router,
    catalog_router,
    comments_router,
    estimates_router,
    reports_router,
    runs_router,
    sessions_router,
    sharing_router,
    uploads_router,
):
    api.add_router("", router)


def error_response(request: HttpRequest, error: GlassbenchError) -> JsonResponse:
    return JsonResponse(error.as_dict(), status=_status(request, error))


def _status(request: HttpRequest, error: GlassbenchError) -> int:
    if isinstance(error, EdgeError):
        return error.status
    if isinstance(error, PictureTooLarge):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    # 404 if the address names something unknown, 422 if the body does.
    unknown = isinstance(error, UnknownMethod | UnknownModel | UnknownPicture)
    missing = unknown and request.method in ("GET", "HEAD", "DELETE")
    return HTTPStatus.NOT_FOUND if missing else HTTPStatus.UNPROCESSABLE_ENTITY


@api.exception_handler(GlassbenchError)
def on_refusal(request: HttpRequest, error: GlassbenchError) -> HttpResponse:
    return error_response(request, error)


@api.exception_handler(AuthenticationError)
def on_stranger(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    refusal = LoginRequired("Log in to continue.", remedy="Log in at /login.")
    return error_response(request, refusal)


@api.exception_handler(ValidationError)
def on_wrong_shape(request: HttpRequest, error: ValidationError) -> HttpResponse:
    first = error.errors[0]
    where, *path = (str(part) for part in first["loc"])
    field = ".".join(path[1:] if where == "body" else path)
    kind = InvalidBody if where == "body" else InvalidQuery
    refusal = kind(
        f"{field or where}: {first['msg']}.", remedy="Send what the API describes.", field=field
    )
    return error_response(request, refusal)


@api.exception_handler(SuspiciousOperation)
def on_suspicious(request: HttpRequest, error: SuspiciousOperation) -> HttpResponse:
    return error_response(request, _of_status(HTTPStatus.BAD_REQUEST))


@api.exception_handler(RequestDataTooBig)
def on_large_body(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    refusal = TooLarge(f"The request is larger than {limit} bytes.", remedy="Send a shorter text.")
    return error_response(request, refusal)


@api.exception_handler(redis.RedisError)
@api.exception_handler(OperationalError)
def on_server_away(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("%s: %s", type(error).__name__, error)
    if full := storage_refusal(error):
        return error_response(request, full)
    refusal = Unavailable("The database or Redis does not answer.", remedy="Try again in a moment.")
    return error_response(request, refusal)


@api.exception_handler(OSError)
def on_disk(request: HttpRequest, error: OSError) -> HttpResponse:
    refusal = storage_refusal(error)
    if refusal is None:
        raise error
    log.error("%s: %s", type(error).__name__, error)
    return error_response(request, refusal)


@api.exception_handler(HttpError)
def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Ninja wraps what the body parser raises."""
    if isinstance(error.__cause__, GlassbenchError):
        return error_response(request, error.__cause__)
    return error_response(request, _of_status(error.status_code))


def api_errors_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Replaces Django's error pages under /api by typed errors."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        typed = response.get("Content-Type", "").startswith("application/json")
        if response.status_code < HTTPStatus.BAD_REQUEST or typed:
            return response
        if not request.path_info.startswith(PREFIX):
            return response
        error = _of_status(response.status_code)
        return JsonResponse(error.as_dict(), status=response.status_code)

    return middleware


def not_found(request: HttpRequest) -> HttpResponse:
    return error_response(request, _of_status(HTTPStatus.NOT_FOUND))


def _of_status(status: int) -> GlassbenchError:
    match status:
        case HTTPStatus.NOT_FOUND:
            return NotFound("There is nothing at this address.", remedy="Check the address.")
        case HTTPStatus.FORBIDDEN:
            return Forbidden(
                "The request does not come from a page of this server.",
                remedy="Load the page again and repeat.",
            )
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return MethodNotAllowed("This address takes no such request.", remedy="Check the verb.")
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return ServerFault(
                "The server failed. The error is in the program, not in your request.",
                remedy="Report the lines of the server's log.",
            )
        case _:
            return InvalidBody("The request cannot be read.", remedy="Send what the API describes.")
