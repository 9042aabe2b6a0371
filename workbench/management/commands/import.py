"""Create a session from a bundle."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand

from analysis.errors import InvalidParams
from workbench.management.refusal import exit_on_refusal
from workbench.reports.imports import bundle_import
from workbench.reports.reading import file_content


class Command(BaseCommand):
    help = "Create a session from a bundle; everything in it is checked, nothing is executed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("bundle", type=Path, help="a .zip made by export")
        parser.add_argument(
            "--owner", default=settings.LOCAL_USERNAME, help="username of the session's owner"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with exit_on_refusal(self.stderr):
            session = bundle_import(
                owner=_owner(options["owner"]), content=file_content(options["bundle"])
            )
        self.stdout.write(f"{settings.BASE_PATH}/sessions/{session.pk}")


def _owner(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        raise InvalidParams(
            f"There is no user {name!a}.", remedy="Name one with --owner.", field="owner"
        )
    return user
