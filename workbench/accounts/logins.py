"""Deletion of expired log-ins and of the addresses stored with them."""

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session as Login
from django.utils import timezone


def logins_prune() -> None:
    """Delete expired log-ins, also of guests, with their addresses and user agents."""
    Login.objects.filter(expire_date__lt=timezone.now()).delete()
    unexpired = Login.objects.values("session_key")
    UserSession.objects.exclude(session_key__in=unexpired).delete()
