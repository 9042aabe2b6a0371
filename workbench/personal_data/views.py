"""The account's own pages; those of allauth are in urls.py."""

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
    """What the person has here, and what can be done about it."""
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
    """End one of the person's log-ins, or all but this one."""
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
    """End the login, and what the browser keeps of sessions for working offline."""
    answer: HttpResponseBase = allauth_account.logout(request)
    if request.method == "POST":
        answer["Clear-Site-Data"] = '"storage"'
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication_required  # type: ignore[untyped-decorator]
@never_cache
def export(request: HttpRequest) -> HttpResponseBase:
    """Say what the file holds (GET); send it while it is being made (POST)."""
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
    """List what is deleted, offer to transfer sessions (GET); delete (POST, with typed name)."""
    user = account_of(request)
    shared = sessions_shared(user=user)
    if request.method == "POST" and request.POST.get("name") == user.username:
        account_delete(user=user, heirs=_heirs(request, shared))
        request.session.flush()
        return redirect("account_login")
    context = {"shared": shared, "wrong": request.method == "POST"}
    return render(request, "accounts/delete.html", context, status=422 if context["wrong"] else 200)


def _heirs(request: HttpRequest, shared: list[Session]) -> dict[UUID, User]:
    """The members chosen in the form; what it names that is no member gets nothing."""
    heirs = {}
    for session in shared:
        chosen = request.POST.get(f"heir-{session.pk}")
        for member in session.heirs:  # type: ignore[attr-defined]
            if str(member.user_id) == chosen:
                heirs[session.pk] = member.user
    return heirs


def password_forgotten(request: HttpRequest) -> HttpResponseBase:
    """By e-mail, where there is a server for it; else the administrator helps."""
    if settings.EMAIL_URL:
        answer: HttpResponseBase = allauth_account.password_reset(request)
        return answer
    text = "Ask an administrator for a link under which you choose a new password."
    return render(request, "accounts/notice.html", {"heading": "Forgotten", "text": text})
