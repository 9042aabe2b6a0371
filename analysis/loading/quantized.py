"""How quantized checkpoints are read: dequantized where transformers can do it alone."""

from pathlib import Path
from typing import Any

from transformers.utils.quantization_config import FineGrainedFP8Config, Mxfp4Config

from analysis.catalog.dtypes import AUTO, Dtype
from analysis.catalog.files import read_json_if_there
from analysis.catalog.formats import quantization
from analysis.catalog.metadata import ModelMetadata
from analysis.model.memory import default_device, dtype_for

# Their weights become ordinary ones, so that hooks and gradients work on every device.
DEQUANTIZED = {"fp8": FineGrainedFP8Config, "mxfp8": FineGrainedFP8Config, "mxfp4": Mxfp4Config}


def quantized_options(method: str | None) -> dict[str, Any]:
    """What `from_pretrained` is given for a `quant_method` of config.json (None: not quantized).

    Weights that stay packed are put on their device by the library that reads them.
    """
    if method is None:
        return {}
    if method in DEQUANTIZED:
        return {"quantization_config": DEQUANTIZED[method](dequantize=True)}
    return {"device_map": default_device()}


def loaded_bytes(path: Path, metadata: ModelMetadata, dtype: Dtype = AUTO) -> int:
    """What the weights of a folder take in memory: as stored where they stay packed."""
    method = quantization(read_json_if_there(path, "config.json"))
    if method in (None, *DEQUANTIZED):
        return metadata.parameters * dtype_for(metadata.dtype, dtype).itemsize
    return metadata.bytes
