"""Code of trusted checkpoints, changed where transformers 5 has left it behind.

LLaDA's and Dream's classes were written for transformers 4. What they lack is added before the
weights are read: `repaired_config`. What a network computes when it is built and does not store,
such as rotary frequencies, is lost on the meta device of transformers: `refill_buffers`.
"""

import copy
import functools
import inspect
import re
import sys
import weakref
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights  # type: ignore[import-untyped]
from transformers import AutoConfig, PreTrainedModel
from transformers.dynamic_module_utils import get_class_from_dynamic_module
from transformers.initialization import no_init_weights
from transformers.modeling_utils import local_torch_dtype

from analysis.errors import ModelUnreadable

MODULES = "transformers_modules"  # the package that transformers puts code of checkpoints into
# What configurations of transformers 4 had, and classes for it ask of their own.
LEFT_OUT = {"use_cache": False, "use_return_dict": True, "output_attentions": False}
REPAIRED: weakref.WeakSet[Any] = weakref.WeakSet()
ROTARY = re.compile(r"inv_freq|rotary|rope", re.IGNORECASE)


def repaired_config(auto: Any, path: Path) -> Any:
    """The configuration of a trusted folder, whose class for `auto` is repaired beside."""
    config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=True)
    for name, value in LEFT_OUT.items():
        if not hasattr(config, name):
            setattr(config, name, value)
    named = (getattr(config, "auto_map", None) or {}).get(auto.__name__)
    if isinstance(named, str):
        _repair(get_class_from_dynamic_module(named, str(path), local_files_only=True))
    return config


def refill_buffers(plain: PreTrainedModel) -> None:
    """Compute again what a network of a checkpoint's own code keeps and does not store.

    The class is built a second time with parameters on the meta device and the rest in memory.
    """
    if not type(plain).__module__.startswith(MODULES):
        return
    with (
        init_empty_weights(include_buffers=False),
        no_init_weights(),
        local_torch_dtype(plain.dtype),
    ):
        fresh = dict(type(plain)(copy.deepcopy(plain.config)).named_modules())
    for name, module in plain.named_modules():
        made = fresh[name]
        for buffer in module._non_persistent_buffers_set:
            module._buffers[buffer] = made._buffers[buffer]
        kept = {key: value for key, value in vars(made).items() if isinstance(value, torch.Tensor)}
        vars(module).update(kept)


def refuse_unset_tables(name: str, plain: PreTrainedModel) -> None:
    """Raise ModelUnreadable where a table for rotary positions is uninitialised memory."""
    for buffer, table in plain.named_buffers():
        if ROTARY.search(buffer) and table.is_floating_point() and not _is_computed(table):
            raise ModelUnreadable(
                f"{name}: {buffer} was not computed: it holds numbers that are not finite, too "
                "small, or all zero.",
                remedy="The checkpoint's code must fill it for transformers 5; ask its authors.",
            )


def _is_computed(table: torch.Tensor) -> bool:
    sizes = table.float().abs()
    subnormal = (sizes > 0) & (sizes < torch.finfo(torch.float32).tiny)
    return bool(sizes.isfinite().all() and not subnormal.any() and sizes.any())


def _repair(cls: Any) -> None:
    """Change a class once: a later loading of the same files finds the same class."""
    if cls in REPAIRED:
        return
    REPAIRED.add(cls)
    _restore_default_rope(cls.__module__)
    _take_tying_arguments(cls)
    _end_in_post_init(cls)
    # Dream's own cannot return the report that is asked for.
    cls.from_pretrained = classmethod(vars(PreTrainedModel)["from_pretrained"].__func__)


def _restore_default_rope(module: str) -> None:
    """Give the modules of a checkpoint the function for unscaled rotary positions back."""
    from transformer_lens.model_bridge.supported_architectures._remote_code_compat import (
        compute_default_rope_inv_freq,
    )

    folder = module.rpartition(".")[0]
    for name, loaded in list(sys.modules.items()):
        known = getattr(loaded, "ROPE_INIT_FUNCTIONS", None) if name.startswith(folder) else None
        if known is not None and "default" not in known:
            with_default = {**known, "default": compute_default_rope_inv_freq}
            loaded.ROPE_INIT_FUNCTIONS = with_default  # type: ignore[attr-defined]


def _take_tying_arguments(cls: type[Any]) -> None:
    """Let `tie_weights` be called as transformers 5 does: it tells which keys are missing."""
    tie = cls.tie_weights
    if len(inspect.signature(tie).parameters) > 1:
        return

    @functools.wraps(tie)
    def tie_weights(self: Any, *_: Any, **__: Any) -> None:
        tie(self)

    cls.tie_weights = tie_weights


def _end_in_post_init(cls: type[Any]) -> None:
    """Call `post_init` after a constructor that does not."""
    build = cls.__init__

    @functools.wraps(build)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        if type(self).__init__ is init and "all_tied_weights_keys" not in vars(self):
            self.post_init()

    cls.__init__ = init
