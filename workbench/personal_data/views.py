"""Account pages that allauth does not have; urls.py lists all of them."""

from typing import Any
from uuid import UUID

from allauth.account import views as allauth_account
from allauth.account.decorators import reauthentication_required
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from workbench.accounts.local import account_of, visitor_is_local
from workbench.audit.models import Action
from workbench.audit.services import audit
from workbench.personal_data.deletion import account_delete, sessions_shared
from workbench.personal_data.export import account_export
from workbench.personal_data.zip_stream import in_turn
from workbench.sessions.models import Session


@require_safe
@login_required
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """The user's account: log-ins, second step, export, deletion."""
    user = account_of(request)
    logins = sorted(
        UserSession.objects.purge_and_list(user), key=lambda login: login.created_at, reverse=True
    )
    context: dict[str, Any] = {
        "local": visitor_is_local(request),
        "factors": set(Authenticator.objects.filter(user=user).values_list("type", flat=True)),
        "logins": logins,
        "connected": SocialAccount.objects.filter(user=user).first(),
        "oidc_name": settings.OIDC_NAME if settings.OIDC_ISSUER else None,
    }
    return render(request, "accounts/account.html", context)


@require_POST
def logins_end(request: HttpRequest) -> HttpResponse:
    """End one of the user's log-ins, or all except this one."""
    user = account_of(request)
    others = UserSession.objects.filter(user=user).exclude(session_key=request.session.session_key)
    one = request.POST.get("login")
    ended = list(others.filter(pk=one) if one and one.isdigit() else others if not one else [])
    for login in ended:
        login.end()
    if ended:
        audit(Action.LOGINS_ENDED, actor=user, detail={"count": len(ended)})
    return redirect("account")


def logout(request: HttpRequest) -> HttpResponseBase:
    """End the login, and delete the sessions that the browser stores for offline work."""
    answer: HttpResponseBase = allauth_account.logout(request)
    if request.method == "POST":
        answer["Clear-Site-Data"] = '"storage"'
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication_required  # type: ignore[untyped-decorator]
@never_cache
def export(request: HttpRequest) -> HttpResponseBase:
    """Describe the export (GET); stream it while it is written (POST)."""
    user = account_of(request)
    if request.method != "POST":
        return render(request, "accounts/export.html")
    name = f"glassbench-{timezone.now():%Y-%m-%d}.zip"
    return StreamingHttpResponse(
        in_turn(account_export(user=user)),
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication_required  # type: ignore[untyped-decorator]
@never_cache
def delete(request: HttpRequest) -> HttpResponse:
    """Confirm the deletion and choose new owners (GET); delete (POST, with the typed name)."""
    user = account_of(request)
    shared = sessions_shared(user=user)
    if request.method == "POST" and request.POST.get("name") == user.username:
        account_delete(user=user, heirs=_heirs(request, shared))
        request.session.flush()
        return redirect("account_login")
    context = {"shared": shared, "wrong": request.method == "POST"}
    return render(request, "accounts/delete.html", context, status=422 if context["wrong"] else 200)


def _heirs(request: HttpRequest, shared: list[Session]) -> dict[UUID, User]:
    """The new owners chosen in the form; users who are not members are ignored."""
    heirs = {}
    for session in shared:
        chosen = request.POST.get(f"heir-{session.pk}")
        for member in session.heirs:  # type: ignore[attr-defined]
            if str(member.user_id) == chosen:
                heirs[session.pk] = member.user
    return heirs


def password_forgotten(request: HttpRequest) -> HttpResponseBase:
    """Reset by e-mail if a mail server is configured; otherwise refer to the administrator."""
    if settings.EMAIL_URL:
        answer: HttpResponseBase = allauth_account.password_reset(request)
        return answer
    text = "Ask an administrator for a link to set a new password."
    return render(
        request, "accounts/notice.html", {"heading": "Forgot your password?", "text": text}
    )
