"""A loaded model: plain transformers for speed, a TransformerBridge for hooks.

Both share one set of weights.
"""

from analysis.model.classes import ImagePipeline, Model, VisionLanguageModel

__all__ = ["ImagePipeline", "Model", "VisionLanguageModel"]
