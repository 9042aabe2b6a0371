"""Expired log-ins, and what was stored of their origin."""

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session as Login
from django.utils import timezone


def logins_prune() -> None:
    """Delete log-ins past their time, guests' too, with their addresses and programs."""
    Login.objects.filter(expire_date__lt=timezone.now()).delete()
    unexpired = Login.objects.values("session_key")
    UserSession.objects.exclude(session_key__in=unexpired).delete()
