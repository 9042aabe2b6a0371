"""Exit with 0 if a worker of this machine is alive: the health check of its container."""

import socket
import sys
from typing import Any

from django.core.management.base import BaseCommand

from workbench.runs import flags


class Command(BaseCommand):
    help = "Exit with 1 unless a worker on this machine has been alive in the last seconds."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        here = socket.gethostname()
        if not any(here in worker["name"] for worker in flags.worker_list()):
            sys.exit(1)
