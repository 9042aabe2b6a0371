"""Delete a user with all their data."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workbench.management.commands.export_user import user_named
from workbench.personal_data.deletion import account_delete


class Command(BaseCommand):
    help = "Delete a user with all runs, pictures, sessions, links and comments. For good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="user name")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *, name: str, yes: bool, **options: Any) -> None:
        user = user_named(name)
        if not yes and input(f"Type {name} to delete the account for good: ") != name:
            raise CommandError("Nothing was deleted.")
        account_delete(user=user)
        self.stdout.write(f"{name} is deleted.")
