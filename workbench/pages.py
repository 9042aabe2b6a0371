"""Pages served by Django itself: the front end's page, health, errors of forms."""

import redis
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from workbench import redis_connection
from workbench.accounts.visitor import request_visitor
from workbench.sessions.access import is_admitted

# Search engines must not index shared sessions, and other sites must not get their addresses.
HEADERS = {
    "Cache-Control": "no-cache",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "same-origin",
}


@require_safe
@ensure_csrf_cookie
def index(request: HttpRequest) -> HttpResponse:
    """The front end's page, for all addresses; its router reads the address."""
    if not _is_open(request):
        return redirect_to_login(request.get_full_path())
    file = settings.FRONTEND_DIST / "index.html"
    if not file.is_file():
        text = "The pages are not built yet: run `make run`, or `npm run build` in frontend/."
        return _notice(request, "No pages", text, status=503)
    return HttpResponse(_placed(file.read_text()), headers=HEADERS)


def _placed(page: str) -> str:
    """The built page with its addresses below BASE_PATH."""
    meta = f'<meta name="base-path" content="{settings.BASE_PATH}" />'
    page = page.replace('="./', f'="{settings.STATIC_URL}')
    return page.replace("<head>", f"<head>\n    {meta}", 1)


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """Whether database and Redis answer."""
    problems = {}
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        problems["database"] = type(error).__name__
    try:
        redis_connection.ping()
    except redis.RedisError as error:
        problems["redis"] = type(error).__name__
    return JsonResponse({"ok": not problems, "problems": problems}, status=503 if problems else 200)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The response to a form with a missing or outdated CSRF token."""
    return _notice(request, "Not accepted", "Load the page again and repeat.", status=403)


def _is_open(request: HttpRequest) -> bool:
    """Whether the visitor may open this page: accounts any, guests the sessions of their links."""
    visitor = request_visitor(request)
    if visitor.user or request.path_info == "/join":  # this page keeps a link's token during login
        return True
    return request.path_info.startswith("/sessions/") and is_admitted(visitor)


def _notice(request: HttpRequest, heading: str, text: str, *, status: int) -> HttpResponse:
    context = {"heading": heading, "text": text}
    return render(request, "accounts/notice.html", context, status=status)
