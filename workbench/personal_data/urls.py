"""Addresses of account pages. allauth finds its pages by these names."""

from allauth.account import views as allauth_account
from allauth.mfa.base import views as second_factor
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.socialaccount import views as allauth_social
from django.urls import path, re_path
from django.views.generic import RedirectView

from workbench.accounts import oidc
from workbench.accounts.local import as_stranger, not_local
from workbench.personal_data import views

SSO = {"provider_id": "sso"}

login = [
    path("login", as_stranger(allauth_account.login), name="account_login"),
    path("logout", views.logout, name="account_logout"),
    path("login/inactive", allauth_account.account_inactive, name="account_inactive"),
    path("login/code", as_stranger(second_factor.authenticate), name="mfa_authenticate"),
    path("login/again", not_local(allauth_account.reauthenticate), name="account_reauthenticate"),
    path("login/again/code", not_local(second_factor.reauthenticate), name="mfa_reauthenticate"),
    path("login/sso", as_stranger(oidc.login), SSO, name="openid_connect_login"),
    path("login/sso/callback", as_stranger(oidc.callback), SSO, name="openid_connect_callback"),
    path("login/sso/stopped", allauth_social.login_cancelled, name="socialaccount_login_cancelled"),
    path("login/sso/error", allauth_social.login_error, name="socialaccount_login_error"),
    path("login/sso/name", as_stranger(allauth_social.signup), name="socialaccount_signup"),
]
password = [
    path("password", as_stranger(views.password_forgotten), name="account_reset_password"),
    path("password/sent", allauth_account.password_reset_done, name="account_reset_password_done"),
    path(
        "password/done",
        allauth_account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    re_path(
        r"^password/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[\w-]+)$",
        as_stranger(allauth_account.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
]
account = [
    path("account", views.account, name="account"),
    path("account/export", views.export, name="account_export"),
    path("account/delete", views.delete, name="account_delete"),
    path("account/logins", not_local(views.logins_end), name="usersessions_list"),
    path(
        "account/password",
        not_local(allauth_account.password_change),
        name="account_change_password",
    ),
    path(
        "account/password/set", not_local(allauth_account.password_set), name="account_set_password"
    ),
    path("account/sso", not_local(allauth_social.connections), name="socialaccount_connections"),
    path("account/mfa", RedirectView.as_view(pattern_name="account"), name="mfa_index"),
    path("account/mfa/app", not_local(totp.activate_totp), name="mfa_activate_totp"),
    path("account/mfa/app/remove", not_local(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path(
        "account/mfa/codes",
        not_local(recovery_codes.view_recovery_codes),
        name="mfa_view_recovery_codes",
    ),
    path(
        "account/mfa/codes/new",
        not_local(recovery_codes.generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
]
urlpatterns = [*login, *password, *account]
