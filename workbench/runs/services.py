"""Changes of runs by visitors: cancel, delete."""

from django.db import transaction

from workbench.errors import RunActive
from workbench.runs import flags
from workbench.runs.broadcast import broadcast_queue, broadcast_run
from workbench.runs.execution import run_end
from workbench.runs.models import Artifact, Run, RunEvent, Status


def run_cancel(*, run: Run) -> Run:
    """Stop a run: at once while it is queued, otherwise when its worker checks the flag."""
    if run.status == Status.QUEUED and run_end(
        run=run.id, attempt=run.attempt, status=Status.CANCELLED, was=Status.QUEUED
    ):
        broadcast_queue()
    run.refresh_from_db()
    if run.status in (Status.QUEUED, Status.RUNNING):
        flags.cancel_ask(run=run.id)
    return run


def run_delete(*, run: Run) -> None:
    """Delete a run that is not running; its copies keep the events."""
    with transaction.atomic():
        locked = Run.objects.select_for_update(of=("self",)).get(pk=run.pk)
        if locked.status == Status.RUNNING:
            raise RunActive("The run is being worked on.", remedy="Stop it first.")
        _hand_over(locked)
        locked.delete()
    broadcast_run(run.id)
    broadcast_queue()


def _hand_over(run: Run) -> None:
    """Move the events to the oldest copy, which becomes the source of the other copies."""
    heir = run.copies.order_by("created_at").first()
    if heir is None:
        return
    RunEvent.objects.filter(run=run).update(run=heir)
    for artifact in Artifact.objects.filter(runs=run):
        artifact.runs.add(heir)
    run.copies.update(cached_from=heir)
    Run.objects.filter(pk=heir.pk).update(cached_from=None)
