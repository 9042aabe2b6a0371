"""Broadcasts changes of runs to watching pages."""

from uuid import UUID

from workbench.broadcast import group_send

QUEUE_GROUP = "queue"


def run_group(run: UUID) -> str:
    return f"run.{run}"


def broadcast_events(*, run: UUID, attempt: int, first: int, frames: list[str]) -> None:
    """Broadcast events `first`, `first` + 1, … of an attempt, as socket messages."""
    group_send(
        run_group(run),
        {
            "type": "run.events",
            "run": str(run),
            "attempt": attempt,
            "first": first,
            "frames": frames,
        },
    )


def broadcast_run(run: UUID) -> None:
    """Broadcast that the run's snapshot has changed."""
    group_send(run_group(run), {"type": "run.changed", "run": str(run)})


def broadcast_queue() -> None:
    """Broadcast that positions in the queue have changed."""
    group_send(QUEUE_GROUP, {"type": "queue.changed"})
