"""Convert a READ, SESAME or LISA checkpoint to a folder that Glassbench can load."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from analysis.errors import InvalidParams
from analysis.loading.convert_read import convert
from workbench.management.refusal import exit_on_refusal


class Command(BaseCommand):
    help = "Convert a READ, SESAME or LISA checkpoint on LLaVA 1.5 to safetensors."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", type=Path, help="folder with pytorch_model*.bin")
        parser.add_argument("target", type=Path, help="new or empty folder for the result")
        parser.add_argument(
            "--vision-tower",
            type=Path,
            help="folder of the CLIP model that it was trained with; else SOURCE/vision_tower",
        )

    def handle(self, **options: Any) -> None:
        target: Path = options["target"]
        with exit_on_refusal(self.stderr):
            if target.exists() and (not target.is_dir() or any(target.iterdir())):
                raise InvalidParams(
                    f"{target} exists and is not empty.",
                    remedy="Name a new folder; nothing is overwritten.",
                )
            vision = options["vision_tower"] or options["source"] / "vision_tower"
            for name in convert(options["source"], vision, target):
                self.stdout.write(name)
