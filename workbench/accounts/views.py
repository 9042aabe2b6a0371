"""The account's own pages; what allauth has pages for stands in urls.py."""

from typing import Any

from allauth.account import views as allauth_account
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from workbench.accounts.local import visitor, visitor_is_local
from workbench.audit.models import Action
from workbench.audit.services import audit


@require_safe
@login_required
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """What the person has here, and what can be done about it."""
    user = visitor(request)
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
    user = visitor(request)
    others = UserSession.objects.filter(user=user).exclude(session_key=request.session.session_key)
    one = request.POST.get("login")
    ended = list(others.filter(pk=one) if one and one.isdigit() else others if not one else [])
    for login in ended:
        login.end()
    if ended:
        audit(Action.LOGINS_ENDED, actor=user, detail={"count": len(ended)})
    return redirect("account")


def password_forgotten(request: HttpRequest) -> HttpResponseBase:
    """By e-mail, where there is a server for it; else the administrator helps."""
    if settings.EMAIL_URL:
        answer: HttpResponseBase = allauth_account.password_reset(request)
        return answer
    text = "Ask an administrator for a link under which you choose a new password."
    return render(request, "accounts/notice.html", {"heading": "Forgotten", "text": text})
