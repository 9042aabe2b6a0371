"""The software and hardware of a run, recorded for reproduction."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from analysis.catalog.revision import file_digests

GLASSBENCH = "0.2.0"  # the one place of the version
PACKAGES = (
    "torch", "transformers", "transformer-lens", "tokenizers", "safetensors", "diffusers",
    "numpy", "scipy", "captum", "pillow", "triton",
)  # fmt: skip


def environment(model: Path | None) -> dict[str, Any]:
    """Versions, machine, threads, and the digests of the model's files at that path.

    `model_files`: see `analysis.catalog.revision.file_digests`. Raises ModelUnreadable.
    """
    import torch

    return {
        "glassbench": GLASSBENCH,
        "python": platform.python_version(),
        "packages": packages(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "model_files": file_digests(model) if model else {},
    }


def packages() -> dict[str, str]:
    """The versions of the installed packages on which numbers depend."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # triton is not available on every machine
    return found
