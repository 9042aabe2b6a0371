"""allauth's settings in code: sign-up is closed, secrets are encrypted, log-ins are audited."""

import base64
import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.crypto import salted_hmac

from workbench.audit.models import Action
from workbench.audit.services import audit

log = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Only accounts that can reauthenticate must: local and single sign-on have no password.

        allauth up to 65.21 decides the same; 65.22 and later always refuse such accounts.
        """
        required = super().is_reauthentication_required(app=app, **kwargs)
        return bool(required and self.get_reauthentication_methods(context.request.user))

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("account")

    def post_login(self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> Any:
        response: HttpResponse = super().post_login(request, user, **kwargs)
        audit(Action.LOGIN, actor=user, address=self.get_client_ip(request))
        return response

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """An unknown name is not recorded: people type passwords into that field."""
        name = credentials.get("username", "")
        meant = get_user_model().objects.filter(username__iexact=name).first()
        address = self.get_client_ip(request)
        audit(Action.LOGIN_FAILED, actor=None, subject=meant, address=address)


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Encrypts the secrets of second factors: a copy of the database alone does not reveal them."""

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return _cipher().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            raise ImproperlyConfigured(
                "SECRET_KEY is not the one under which this second factor was set up. Bring it "
                "back, or remove the person's second factor in /admin."
            ) from None


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return bool(settings.SIGNUP == "oidc")

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: SocialAccount) -> str:
        return reverse("account")

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        log.warning("Single sign-on failed: %s", exception or error)


def _cipher() -> Fernet:
    key = salted_hmac("glassbench.second-factor", "", algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(key))
