"""Loading models, and running them: plain transformers for speed, a TransformerBridge for hooks.

Both share one set of weights. A model is loaded from safetensors alone; code that a
checkpoint brings runs only where an administrator listed its id and revision.
"""

from analysis.model.cache import ModelCache, default_cache
from analysis.model.checks import self_check
from analysis.model.classes import ImagePipeline, Model, VisionLanguageModel
from analysis.model.loading import load, load_entry, loaded
from analysis.model.memory import is_out_of_memory

__all__ = [
    "ImagePipeline",
    "Model",
    "ModelCache",
    "VisionLanguageModel",
    "default_cache",
    "is_out_of_memory",
    "load",
    "load_entry",
    "loaded",
    "self_check",
]
