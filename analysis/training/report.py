"""Measures the gates of the bundled models from their committed weights.

`python -m analysis.training.report [MODEL …]` prints a table per model, and writes it to
report.json and into the model card of the model's folder.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

MODELS = Path(__file__).parents[2] / "models"
# The function that measures each model; imported on demand, since each needs other packages.
ROWS = {
    "demo-lm": ("analysis.training.report_lm", "lm_rows"),
    "demo-diffusion": ("analysis.training.gates_diffusion", "diffusion_rows"),
    "demo-vlm": ("analysis.training.gates_vlm", "vlm_rows"),
    "demo-t2i": ("analysis.training.gates_t2i", "t2i_rows"),
}
CARD_START, CARD_END = "<!-- gates -->\n", "<!-- /gates -->\n"


@dataclass(frozen=True, slots=True)
class Measured:
    """A share of items, 0..1; the gate is from `required` to below `limit`, where they are set."""

    name: str
    share: float
    items: int
    required: float | None = None
    limit: float | None = None

    @property
    def reached(self) -> bool:
        """Whether the share lies within the gate; true where there is none."""
        above = self.required is None or self.share >= self.required
        return above and (self.limit is None or self.share < self.limit)

    @property
    def gate(self) -> str:
        """The gate in words, empty where there is none."""
        bounds = [("≥", self.required), ("<", self.limit)]
        return ", ".join(f"{sign} {bound:.0%}" for sign, bound in bounds if bound is not None)


def table(measured: Sequence[Measured]) -> str:
    """The shares as a Markdown table."""
    lines = ["| measured on held-out items | share | gate | items |", "|---|---|---|---|"]
    for row in measured:
        gate = row.gate and f"{row.gate}: {'reached' if row.reached else 'not reached'}"
        lines.append(f"| {row.name} | {row.share:.1%} | {gate} | {row.items} |")
    return "\n".join(lines) + "\n"


def plural(count: int, noun: str) -> str:
    """`1 item`, `2 items`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def card_update(card: Path, text: str) -> None:
    """Replace the text between the marks of a model card."""
    before, _, rest = card.read_text().partition(CARD_START)
    _, _, after = rest.partition(CARD_END)
    card.write_text(before + CARD_START + text + CARD_END + after)


def report(model: str) -> list[Measured]:
    """Measure, print and write the rows of a model; return those whose gate is not reached."""
    module, name = ROWS[model]
    rows: Callable[[], Sequence[Measured]] = getattr(import_module(module), name)
    measured = rows()
    text = table(measured)
    print(f"{model}\n\n{text}")
    folder = MODELS / model
    (folder / "report.json").write_text(json.dumps([asdict(row) for row in measured], indent=1))
    card_update(folder / "README.md", text)
    return [row for row in measured if not row.reached]


def main() -> None:
    """Exit with 1 when a gate is not reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", choices=[*ROWS, []], metavar="MODEL", default=[])
    chosen = parser.parse_args().models or list(ROWS)
    missed = [f"{model}: {row.name}" for model in chosen for row in report(model)]
    if missed:
        raise SystemExit(f"Not reached: {'; '.join(missed)}.")


if __name__ == "__main__":
    main()
