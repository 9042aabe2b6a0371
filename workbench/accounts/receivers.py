"""Writes allauth's account signals to the audit log."""

from typing import Any

from allauth.account.signals import password_changed, password_reset, password_set
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import (
    authentication_failed,
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
)
from allauth.socialaccount.signals import social_account_added, social_account_removed
from django.contrib.auth.models import AbstractBaseUser
from django.dispatch import Signal
from django.http import HttpRequest

from workbench.audit.models import Action
from workbench.audit.services import audit

ACTIONS: tuple[tuple[Signal, Action], ...] = (
    (password_changed, Action.PASSWORD_CHANGED),
    (password_set, Action.PASSWORD_CHANGED),
    (password_reset, Action.PASSWORD_CHANGED),
    (authenticator_added, Action.MFA_ADDED),
    (authenticator_removed, Action.MFA_REMOVED),
    (authenticator_reset, Action.RECOVERY_CODES_MADE),
)


def connect() -> None:
    for signal, action in ACTIONS:
        signal.connect(_receiver(action), weak=False)
    authentication_failed.connect(_on_wrong_code)
    social_account_added.connect(_on_sso_connected)
    social_account_removed.connect(_on_sso_removed)


def _receiver(action: Action) -> Any:
    def receive(
        *, user: AbstractBaseUser, authenticator: Authenticator | None = None, **rest: Any
    ) -> None:
        detail = {"type": authenticator.type} if authenticator else {}
        audit(action, actor=user, detail=detail)

    return receive


def _on_wrong_code(*, request: HttpRequest, user: AbstractBaseUser, **rest: Any) -> None:
    address = request.META.get("REMOTE_ADDR")
    detail = {"step": "second factor"}
    audit(Action.LOGIN_FAILED, actor=None, subject=user, detail=detail, address=address)


def _on_sso_connected(*, sociallogin: Any, **rest: Any) -> None:
    audit(Action.SSO_CONNECTED, actor=sociallogin.user)


def _on_sso_removed(*, socialaccount: Any, **rest: Any) -> None:
    audit(Action.SSO_REMOVED, actor=socialaccount.user)
