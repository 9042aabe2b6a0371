"""The pages that Django itself answers; all others are the front end's one page."""

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from workbench.runs import flags


@require_safe
@login_required
@ensure_csrf_cookie
def index(request: HttpRequest) -> HttpResponse:
    """The front end's page; it reads the address itself."""
    file = settings.FRONTEND_DIST / "index.html"
    if not file.is_file():
        text = "The pages are not built yet: run `make run`, or `npm run build` in frontend/."
        return _notice(request, "No pages", text, status=503)
    return HttpResponse(file.read_bytes(), headers={"Cache-Control": "no-cache"})


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
        flags.ping()
    except redis.RedisError as error:
        problems["redis"] = type(error).__name__
    return JsonResponse({"ok": not problems, "problems": problems}, status=503 if problems else 200)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was not sent from a page of ours, or from one too old."""
    return _notice(request, "Not accepted", "Load the page again and repeat.", status=403)


def _notice(request: HttpRequest, heading: str, text: str, *, status: int) -> HttpResponse:
    context = {"heading": heading, "text": text}
    return render(request, "accounts/notice.html", context, status=status)
