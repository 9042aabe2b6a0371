"""The log keeps actions for the configured time, and removes names on request."""

import uuid
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from workbench.audit.models import Action, AuditEntry
from workbench.audit.selectors import audit_of_session, audit_of_user
from workbench.audit.services import audit, audit_forget, audit_prune


def test_an_action_is_stored_with_actor_and_subject(anna: User, tom: User) -> None:
    session = uuid.uuid4()
    detail = {"role": "editor"}
    audit(Action.MEMBER_ADDED, actor=anna, subject=tom, session=session, detail=detail)
    audit(Action.LINK_OPENED, actor=None, actor_name="Guest 3f2a", session=session, kind="link")
    opened, added = audit_of_session(session=session, limit=10)
    assert (added.actor_name, added.subject_name, added.detail) == ("anna", "tom", detail)
    assert (opened.actor, opened.actor_name, opened.kind) == (None, "Guest 3f2a", "link")
    assert audit_of_session(session=uuid.uuid4(), limit=10) == []


def test_a_persons_entries_are_those_they_made_and_those_about_them(anna: User, tom: User) -> None:
    audit(Action.LOGIN, actor=anna)
    audit(Action.MEMBER_REMOVED, actor=anna, subject=tom)
    assert [entry.action for entry in audit_of_user(user=anna)] == ["login", "member_removed"]
    assert [entry.action for entry in audit_of_user(user=tom)] == ["member_removed"]


def test_forgetting_takes_the_name_and_leaves_the_action(anna: User, tom: User) -> None:
    audit(Action.LOGIN, actor=tom, address="192.0.2.2")
    audit(Action.MEMBER_ADDED, actor=anna, subject=tom)
    audit_forget(user=tom)
    login, added = AuditEntry.objects.order_by("id")
    assert (login.action, login.actor_name, login.address) == ("login", "", None)
    assert (added.actor_name, added.subject, added.subject_name) == ("anna", None, "")


def test_a_deleted_account_takes_no_entry_with_it(anna: User) -> None:
    audit(Action.LOGIN, actor=anna)
    anna.delete()
    assert AuditEntry.objects.get().actor is None


def test_entries_go_after_their_time(anna: User, settings: Any) -> None:
    for days in (0, 29, 31):
        at = timezone.now() - timedelta(days=days)
        AuditEntry.objects.create(action=Action.LOGIN, actor=anna, at=at)
    settings.AUDIT_DAYS = 0
    audit_prune()
    assert AuditEntry.objects.count() == 3
    settings.AUDIT_DAYS = 30
    audit_prune()
    assert AuditEntry.objects.count() == 2
