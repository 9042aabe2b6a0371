"""Watch one worker from outside; workers start this themselves."""

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
            signal.signal(number, signal.SIG_IGN)  # the worker ends first, and this with it
        watch(Guard(pid=pid, worker=worker), sys.stdin.buffer)
