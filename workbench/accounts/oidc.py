"""Single sign-on by OpenID Connect. Stricter than allauth: a login needs a signed ID token.

Source: OpenID Connect Core 1.0, 3.1.3.7 (validation of the ID token) and 5.3.2 (user info).
"""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
CLOCK_SECONDS = 60  # accepted clock difference to the provider
ENDPOINTS = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")


class SignedAdapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    @property
    def openid_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().openid_config
        missing = [name for name in ENDPOINTS if not isinstance(config.get(name), str)]
        if missing:
            raise OAuth2Error(f"the provider does not give its {', '.join(missing)}")
        return config

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any
    ) -> SocialLogin:
        """The login of the user whom the ID token names. Raises OAuth2Error."""
        claims = verified_claims(
            kwargs["response"].get("id_token") or "",
            keys=self._keys(),
            issuer=self.openid_config["issuer"],
            audience=app.client_id,
        )
        return self.get_provider().sociallogin_from_response(
            request, {"userinfo": {**claims, **self._more(claims["sub"], token)}}
        )

    def _keys(self) -> dict[str, Any]:
        with get_adapter().get_requests_session() as session:
            response = session.get(self.openid_config["jwks_uri"])
            response.raise_for_status()
            keys: dict[str, Any] = response.json()
        return keys

    def _more(self, subject: str, token: SocialToken) -> dict[str, Any]:
        """The provider's user info. Raises OAuth2Error if its subject is another user."""
        if "userinfo_endpoint" not in self.openid_config:
            return {}
        info: dict[str, Any] = self._fetch_user_info(token.token)
        if info.get("sub") != subject:
            raise OAuth2Error("token and user info are of two people")
        return info


def verified_claims(
    token: str, *, keys: dict[str, Any], issuer: str, audience: str
) -> dict[str, Any]:
    """The token's claims, after its signature, issuer, audience and times are verified.

    `keys`: the provider's JSON Web Key Set. Raises OAuth2Error.
    """
    try:
        name = jwt.get_unverified_header(token).get("kid")
        claims: dict[str, Any] = jwt.decode(
            token,
            key=_signing_key(jwt.PyJWKSet.from_dict(keys), name),
            algorithms=ALGORITHMS,
            audience=audience,
            issuer=issuer,
            leeway=CLOCK_SECONDS,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError as error:
        raise OAuth2Error(f"the ID token is not good: {error}") from error
    return claims


def _signing_key(keys: jwt.PyJWKSet, name: str | None) -> jwt.PyJWK:
    """The key with that id; without an id, the provider must have exactly one key."""
    fit = [
        key
        for key in keys.keys
        if key.public_key_use in (None, "sig") and name in (None, key.key_id)
    ]
    if len(fit) != 1:
        raise OAuth2Error(f"the provider has {len(fit)} keys for the ID token, not one")
    return fit[0]


def login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """A confirmation page (GET), then a page that leads to the provider (POST).

    The second page is needed because form-action 'self' also applies to redirects of a form.
    """
    response = _view(request, provider_id, OAuth2LoginView)
    if response.status_code != HTTPStatus.FOUND or not urlsplit(response["Location"]).netloc:
        return response
    leaving = render(request, "accounts/leaving.html", {"address": response["Location"]})
    leaving["Cache-Control"] = "no-store"
    return leaving


def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """The address to which the provider redirects after the login."""
    return _view(request, provider_id, OAuth2CallbackView)


def _view(
    request: HttpRequest, provider_id: str, kind: type[OAuth2LoginView | OAuth2CallbackView]
) -> HttpResponse:
    adapter = SignedAdapter(request, provider_id)
    try:
        response: HttpResponse = kind.adapter_view(adapter)(request)
    except SocialApp.DoesNotExist:
        raise Http404 from None
    except (OAuth2Error, requests.RequestException) as error:
        response = render_authentication_error(request, adapter.get_provider(), exception=error)
    return response
