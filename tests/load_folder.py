"""Loading a folder afresh, as tests do again and again."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from analysis.catalog.dtypes import AUTO, Dtype
from analysis.catalog.entries import Catalog, folder_entry
from analysis.catalog.revision import folder_revision
from analysis.events import SelfCheck
from analysis.loading import ModelCache, load_entry, loaded
from analysis.model import Model


def load_folder(path: Path, dtype: Dtype = AUTO, **options: Any) -> Model:
    """Load into a cache of its own."""
    cache, entry = ModelCache(2**30), folder_entry(path)
    list(load_entry(entry, catalog=Catalog(**options), cache=cache, needs=(), dtype=dtype))
    return loaded(entry, cache, dtype)


def load_trusted(path: Path) -> Model:
    """As `load_folder`, but Python code in the folder may run."""
    listed = f"{path.name}@{folder_revision(path)}"
    return load_folder(path, trusted_remote_code=frozenset({listed}))


def checked(path: Path) -> SelfCheck:
    """The self-check of a folder."""
    found = load_folder(path).info.self_check
    assert found is not None
    return found


def plain_logits(model: Model, **inputs: torch.Tensor) -> torch.Tensor:
    """Logits of plain transformers with eager attention, of a freshly loaded causal model."""
    plain = AutoModelForCausalLM.from_pretrained(model.path, attn_implementation="eager").eval()
    with torch.inference_mode():
        logits: torch.Tensor = plain(**inputs).logits
    return logits
