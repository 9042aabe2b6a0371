"""From an id to a loaded model: download, read, check, keep.

A model is loaded from safetensors alone; code that a checkpoint brings runs only where an
administrator listed its id and revision.
"""

from analysis.loading.cache import ModelCache, default_cache
from analysis.loading.load import Refuse, load, load_entry, loaded
from analysis.loading.self_check import self_check

__all__ = ["ModelCache", "Refuse", "default_cache", "load", "load_entry", "loaded", "self_check"]
