"""Repairs runs of lost workers and lost messages, and deletes old data."""

import logging
import time
from uuid import UUID

from workbench.accounts.logins import logins_prune
from workbench.audit.services import audit_prune
from workbench.runs import flags
from workbench.runs.artifacts import artifacts_prune
from workbench.runs.dispatch import run_dispatch
from workbench.runs.execution import run_recover
from workbench.runs.models import Run, Status

PRUNE_SECONDS = 3600

log = logging.getLogger(__name__)


class Sweep:
    """Checks all runs periodically, in every worker."""

    def __init__(self) -> None:
        self._suspects: set[tuple[UUID, int]] = set()
        self._pruned_at = float("-inf")

    def repair(self) -> None:
        self._recover_orphans()
        resend_lost()
        if time.monotonic() - self._pruned_at > PRUNE_SECONDS:
            self._pruned_at = time.monotonic()
            artifacts_prune()
            audit_prune()
            logins_prune()

    def _recover_orphans(self) -> None:
        """Recover runs without a lease in two sweeps; a restarted Redis has none for a moment."""
        running = Run.objects.filter(status=Status.RUNNING).values_list("id", "attempt")
        orphans = {attempt for attempt in running if not flags.lease_exists(run=attempt[0])}
        for run, attempt in orphans & self._suspects:
            log.warning("Run %s lost its worker in attempt %d", run, attempt)
            run_recover(run=run, attempt=attempt)
        self._suspects = orphans


def resend_lost() -> None:
    """Send runs again whose message was lost; workers ignore duplicates."""
    queued = Run.objects.filter(status=Status.QUEUED).order_by("created_at", "id")
    for run, queue in queued.values_list("id", "queue"):
        if not flags.sent_marked(run=run):
            run_dispatch(run=run, queue=queue)
