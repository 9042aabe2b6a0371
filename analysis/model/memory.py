"""How much memory there is, what a model and a forward pass take of it, and running out of it."""

import gc

import psutil
import torch

from analysis.catalog.dtypes import AUTO, Dtype, weights_dtype
from analysis.errors import OutOfMemory

CPU_REFUSALS = ("DefaultCPUAllocator", "can't allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; torch raises a bare RuntimeError where that of a CPU does."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in CPU_REFUSALS)
    )


def refusal(error: BaseException) -> OutOfMemory | None:
    """The error of a run that ran out of memory; None for any other error."""
    if not is_out_of_memory(error):
        return None
    return OutOfMemory(
        "The memory of the device is used up.",
        remedy="Lower rows_per_forward, shorten the text, or choose a smaller model.",
    )


def release() -> None:
    """Give back what nothing refers to any more, after memory ran out."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def dtype_for(stored: str, asked: Dtype = AUTO) -> torch.dtype:
    """The dtype of loaded weights on this process's device; see `weights_dtype`."""
    dtype: torch.dtype = getattr(torch, weights_dtype(default_device(), stored, asked))
    return dtype


def memory_bytes(device: torch.device) -> int:
    """The device's whole memory."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(psutil.virtual_memory().total)


def device_bytes() -> int:
    """The whole memory of this process's device."""
    return memory_bytes(torch.device(default_device()))


def weight_bytes(*modules: torch.nn.Module) -> int:
    """Bytes of the parameters, those that are shared counted once."""
    weights = {id(weight): weight for module in modules for weight in module.parameters()}
    return sum(weight.nbytes for weight in weights.values())


def rows_do_not_fit(rows: int, length: int) -> OutOfMemory:
    return OutOfMemory(
        f"{rows} rows of {length} tokens do not fit into the device's memory.",
        remedy="Lower rows_per_forward, shorten the prompt, or choose a smaller model.",
        field="rows_per_forward",
    )


def does_not_fit(stage: str, need: int, have: int) -> OutOfMemory:
    """Refusal of a run whose stage cannot fit, told before the model is loaded."""
    return OutOfMemory(
        f"The stage {stage} needs {need / 2**30:.1f} GiB beside the weights; {have / 2**30:.1f} "
        "GiB is there for it.",
        remedy="Shorten the text, disable this analysis, or choose a smaller model or a machine "
        "with more memory.",
    )
