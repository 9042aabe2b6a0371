"""Threads that came with a bundle before they were counted: no page was told of them."""

from typing import Any

from django.db import migrations
from django.db.models import F


def count(apps: Any, _: Any) -> None:
    threads = apps.get_model("workbench_sessions", "Thread").objects.filter(said=0)
    sessions = apps.get_model("workbench_sessions", "Session").objects
    for session in threads.values_list("session", flat=True).distinct():
        sessions.filter(pk=session).update(said=F("said") + 1)
        threads.filter(session=session).update(said=sessions.get(pk=session).said)


class Migration(migrations.Migration):
    dependencies = [("workbench_sessions", "0003_threads")]

    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
