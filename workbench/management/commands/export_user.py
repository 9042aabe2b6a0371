"""Write all of a user's data to a zip file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from workbench.personal_data.export import account_export


class Command(BaseCommand):
    help = "Write a user's profile, runs, pictures, sessions and comments to a zip file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="user name")
        parser.add_argument("--out", type=Path, required=True, help="file to write; must be new")

    def handle(self, *, name: str, out: Path, **options: Any) -> None:
        with out.open("xb") as file:
            for block in account_export(user=user_named(name)):
                file.write(block)


def user_named(name: str) -> User:
    """Raises CommandError."""
    try:
        return User.objects.get(username=name)
    except User.DoesNotExist:
        raise CommandError(f"There is no user {name!a}.") from None
