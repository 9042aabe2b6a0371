"""The administrators' pages: accounts, and who did what when, but no content of users."""

from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from workbench.accounts.local import account_of, visitor_is_local
from workbench.audit.models import Action, AuditEntry
from workbench.audit.services import audit
from workbench.personal_data.deletion import account_delete
from workbench.runs.models import Run
from workbench.sessions.models import Session, SessionLink, SessionMember


class Site(admin.AdminSite):
    site_header = site_title = "Glassbench"
    index_title = "Administration"

    def has_permission(self, request: HttpRequest) -> bool:
        return _is_staff(request) and not _lacks_second_step(request)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Redirect to the one login page, which has rate limits and the second step."""
        wanted = request.GET.get("next") or reverse("admin:index")
        if not request.user.is_authenticated or visitor_is_local(request):
            return redirect_to_login(wanted)
        if not _is_staff(request):
            raise PermissionDenied
        return redirect_to_login(wanted, reverse("mfa_reauthenticate"))

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return redirect("account_change_password")


def _is_staff(request: HttpRequest) -> bool:
    """The local user is never staff: that account has no password to confirm."""
    user = request.user
    return user.is_active and user.is_staff and not visitor_is_local(request)


def _lacks_second_step(request: HttpRequest) -> bool:
    """Whether the account has a second step that this login did not take."""
    records = get_authentication_records(request, request.user)
    taken = any(record.get("method") == "mfa" for record in records)
    return not taken and is_mfa_enabled(request.user)


class Accounts(UserAdmin):  # type: ignore[type-arg]
    list_display = ("username", "is_active", "is_staff", "date_joined", "last_login")
    actions = ("password_links", "second_step_remove")

    def get_deleted_objects(
        self, objects: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Names and counts only: administrators do not see what a user's runs are."""
        users = list(objects)
        runs = Run.objects.filter(owner__in=users).count()
        sessions = Session.objects.filter(owner__in=users).count()
        counts = {"accounts": len(users), "runs": runs, "sessions": sessions}
        allowed = self.has_delete_permission(request)
        return [user.username for user in users], counts, set() if allowed else {"user"}, []

    def delete_model(self, request: HttpRequest, user: Any) -> None:
        account_delete(user=user, by=account_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            account_delete(user=user, by=account_of(request))

    @admin.action(description="Create password links")
    def password_links(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        _superuser_only(request)
        for user in queryset.exclude(username=settings.LOCAL_USERNAME):
            audit(Action.PASSWORD_LINK_MADE, actor=account_of(request), subject=user)
            address = request.build_absolute_uri(password_link(user))
            self.message_user(request, f"For {user.username}, once, within 3 days: {address}")

    @admin.action(description="Remove the second step")
    def second_step_remove(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        _superuser_only(request)
        for user in queryset:
            if Authenticator.objects.filter(user=user).delete()[0]:
                audit(Action.MFA_REMOVED, actor=account_of(request), subject=user)
                self.message_user(
                    request, f"The account {user.username} now needs only the password."
                )
            else:
                self.message_user(
                    request, f"The account {user.username} has none.", messages.WARNING
                )


def password_link(user: User) -> str:
    """The one-time address for setting the password; it works for anyone who knows it."""
    names = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    return reverse("account_reset_password_from_key", kwargs=names)


def _superuser_only(request: HttpRequest) -> None:
    """Raises PermissionDenied. A user who can log in as anybody has all permissions."""
    if not account_of(request).is_superuser:
        raise PermissionDenied


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Lists its columns explicitly, so that a new field of a model is not shown by default."""

    shown: tuple[str, ...]

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return self.shown

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return self.shown

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Runs(ReadOnly):
    shown = ("id", "owner", "method", "model", "status", "created_at", "started_at", "finished_at")
    list_filter = ("status", "method")
    list_select_related = ("owner",)
    search_fields = ("id__exact", "owner__username")


class Sessions(ReadOnly):
    shown = ("id", "owner", "created_at", "changed_at", "archived_at", "template")
    list_filter = ("template",)
    list_select_related = ("owner",)
    search_fields = ("id__exact", "owner__username")


class Links(ReadOnly):
    shown = ("id", "session", "role", "created_by", "created_at", "expires_at", "revoked_at")
    list_filter = ("role",)
    list_select_related = ("session", "created_by")
    search_fields = ("session__id__exact", "created_by__username")


class Members(ReadOnly):
    shown = ("session", "user", "role", "since")
    list_filter = ("role",)
    list_select_related = ("session", "user")
    search_fields = ("session__id__exact", "user__username")


class Log(ReadOnly):
    shown = (
        *("at", "action", "actor_name", "subject_name", "kind", "object_id"),
        *("session", "detail", "address"),
    )
    list_filter = ("action",)
    date_hierarchy = "at"
    search_fields = ("actor_name", "subject_name", "session__exact")


site = Site()
site.register(User, Accounts)
site.register(Group, GroupAdmin)
site.register(Run, Runs)
site.register(Session, Sessions)
site.register(SessionLink, Links)
site.register(SessionMember, Members)
site.register(AuditEntry, Log)
