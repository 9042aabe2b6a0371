"""Watch one worker from a separate process; each worker starts its own."""

import signal
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from workbench.worker.guard import Guard, watch


class Command(BaseCommand):
    help = "Hold the lease of a worker's run, obey its cancel and watch its memory, from outside."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("pid", type=int)
        parser.add_argument("worker")

    def handle(self, *args: Any, pid: int, worker: str, **options: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # ends when its worker does
        watch(Guard(pid=pid, worker=worker), sys.stdin.buffer)
