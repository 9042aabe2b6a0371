"""The audit log: who did what to accounts and shared sessions."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class Action(models.TextChoices):
    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOGINS_ENDED = "logins_ended"
    PASSWORD_CHANGED = "password_changed"
    PASSWORD_LINK_MADE = "password_link_made"
    MFA_ADDED = "mfa_added"
    MFA_REMOVED = "mfa_removed"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    SSO_CONNECTED = "sso_connected"
    SSO_REMOVED = "sso_removed"
    LINK_CREATED = "link_created"
    LINK_OPENED = "link_opened"
    LINK_REVOKED = "link_revoked"
    MEMBER_ADDED = "member_added"
    MEMBER_CHANGED = "member_changed"
    MEMBER_REMOVED = "member_removed"
    SESSION_EXPORTED = "session_exported"
    SESSION_DELETED = "session_deleted"
    SESSION_HANDED_OVER = "session_handed_over"
    SESSION_IMPORTED = "session_imported"
    ACCOUNT_EXPORTED = "account_exported"
    ACCOUNT_DELETED = "account_deleted"


class AuditEntry(models.Model):
    """One action. It is kept when its object is deleted; a deleted account loses its name here."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    action = models.CharField(max_length=30, choices=Action)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.CharField(max_length=150, blank=True)
    subject = models.ForeignKey(  # the affected user, if any
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    subject_name = models.CharField(max_length=150, blank=True)
    kind = models.CharField(max_length=20, blank=True)  # of the object: link, file, session …
    object_id = models.CharField(max_length=64, blank=True)
    session = models.UUIDField(null=True, db_index=True)
    detail = models.JSONField(default=dict)
    address = models.GenericIPAddressField(null=True)

    class Meta:
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.action} at {self.at:%Y-%m-%d %H:%M:%S}"
