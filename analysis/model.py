"""Loading models, and running them: plain transformers for speed, a TransformerBridge for hooks.

Both share one set of weights. A model is loaded from safetensors alone; code that a
checkpoint brings runs only where an administrator listed its id and revision.
"""

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import huggingface_hub
import psutil
import torch
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    StrictDataclassError,
)
from safetensors import SafetensorError
from tqdm.auto import tqdm
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from analysis import catalog as catalogs
from analysis.catalog import Catalog, Entry
from analysis.errors import (
    HubUnreachable,
    ModelIncompatible,
    ModelUnreadable,
    OutOfMemory,
)
from analysis.events import Event, ModelInfo, ModelLoaded, Progress, SelfCheck

disable_progress_bar()  # a run tells its own progress
CHECK_TEXT = "The quick brown fox jumps over the lazy dog, and then it sleeps."
# Largest |Δ logit| that rounding explains, relative to the largest |logit|.
CHECK_TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
# What transformers raises for files that contradict each other.
UNREADABLE = (
    ArithmeticError, AttributeError, ImportError, LookupError, OSError, RuntimeError,
    SafetensorError, StrictDataclassError, TypeError, ValueError,
)  # fmt: skip
LOADERS = {"causal_lm": AutoModelForCausalLM, "masked_lm": AutoModelForMaskedLM}
# Floating-point operations of one forward pass, so that a pass stays well under 0.5 s.
PASS_OPERATIONS = {"cpu": 1.5e10, "cuda": 1e13}
PASS_MEMORY_SHARE = 0.2  # of the device's whole memory, so that a result does not hang on load


@dataclass
class Model:
    """A loaded model. `plain` runs SDPA attention and has no hooks."""

    info: ModelInfo
    plain: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    path: Path
    rows: int = field(default=0)  # sequences run so far
    forwards: int = field(default=0)
    # Loads a second model by id: a generator of events that ends with the Model.
    another: Callable[..., Iterator[Any]] = field(default=lambda *_, **__: iter(()))

    @property
    def device(self) -> torch.device:
        return self.plain.device

    @cached_property
    def bridge(self) -> Any:
        """The same weights with TransformerLens hook points; eager attention, nothing folded."""
        from transformer_lens.model_bridge import TransformerBridge

        shared: dict[int, Any] = {id(weight): weight for weight in self.plain.parameters()}
        twin = copy.deepcopy(self.plain, memo=shared)
        return TransformerBridge.boot_transformers(
            str(self.path), hf_model=twin, tokenizer=self.tokenizer, device=self.device
        )

    def hooks(self, fwd_hooks: list[tuple[str, Any]]) -> Any:
        """Context in which the hooks are on: `with model.hooks([(name, function)]):`."""
        return self.bridge.hooks(fwd_hooks=fwd_hooks)

    def embeddings(self, ids_BN: torch.Tensor) -> torch.Tensor:
        """Input embeddings, [B, N, width]."""
        layer: torch.nn.Module = self.plain.get_input_embeddings()
        embedded: torch.Tensor = layer(ids_BN)
        return embedded

    def logits(
        self,
        ids_BN: torch.Tensor | None,
        positions_T: torch.Tensor,
        *,
        embeddings_BND: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Logits at the given positions, [B, T, V], by the SDPA route.

        Raises OutOfMemory naming the rows that did not fit.
        """
        given = ids_BN if embeddings_BND is None else embeddings_BND
        assert given is not None
        self.rows += given.shape[0]
        self.forwards += 1
        inputs = (
            {"input_ids": given} if embeddings_BND is None else {"inputs_embeds": embeddings_BND}
        )
        keep = positions_T.to(self.device)
        try:
            out = self.plain(**inputs, logits_to_keep=keep, use_cache=False)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise _out_of_memory(given.shape[0], given.shape[1]) from error
        logits: torch.Tensor = out.logits
        return logits if logits.shape[1] == len(keep) else logits[:, keep]

    def rows_per_pass(self, length: int, kept: int, limit: int) -> int:
        """Rows of `length` tokens, logits kept at `kept` positions, for one forward pass.

        At most `limit`; well under half a second of work and a share of the device's memory.
        Raises OutOfMemory where a single row is too much.
        """
        operations = 2 * self.info.parameters * length
        by_time = int(PASS_OPERATIONS[self.device.type] / operations)
        size = row_bytes(self.info, length, kept)
        by_memory = int(PASS_MEMORY_SHARE * memory_bytes(self.device) / size)
        if not by_memory:
            raise _out_of_memory(1, length)
        return max(1, min(limit, by_time, by_memory))


@dataclass
class ModelCache:
    """Loaded models, least recently used first; the bytes of their weights stay in `budget`."""

    budget: int
    models: OrderedDict[tuple[str, str, str], Model] = field(default_factory=OrderedDict)

    def get(self, key: tuple[str, str, str]) -> Model | None:
        if key in self.models:
            self.models.move_to_end(key)
        return self.models.get(key)

    def make_room(self, size: int) -> None:
        """Drop models until `size` more bytes fit. Raises OutOfMemory if they never will."""
        if size > self.budget:
            raise OutOfMemory(
                f"The weights take {size / 2**30:.2f} GiB; {self.budget / 2**30:.2f} GiB is there.",
                remedy="Choose a smaller model, a smaller dtype, or a machine with more memory.",
            )
        while self.models and self._held() + size > self.budget:
            self.models.popitem(last=False)

    def _held(self) -> int:
        return sum(weight_bytes(model.plain) for model in self.models.values())


def weight_bytes(model: torch.nn.Module) -> int:
    return sum(weight.nbytes for weight in model.parameters())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; torch raises a bare RuntimeError where that of a CPU does."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def default_cache() -> ModelCache:
    """A cache that may fill most of the device's memory."""
    device = torch.device(default_device())
    share = 0.7 if device.type == "cuda" else 0.6
    return ModelCache(int(share * memory_bytes(device)))


def memory_bytes(device: torch.device) -> int:
    """The device's whole memory."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(psutil.virtual_memory().total)


def row_bytes(info: ModelInfo, length: int, kept: int) -> int:
    """A generous estimate of what one row of a forward pass takes beyond the weights.

    Some thirty float32 vectors per token, attention scores of one layer, and the kept logits
    in float32 with two float64 copies.
    """
    hidden = 30 * length * info.width + info.heads * length**2
    return 4 * hidden + (4 + 8 + 8) * kept * info.vocabulary


def load(
    model_id: str, *, catalog: Catalog, cache: ModelCache, needs: tuple[str, ...] = ()
) -> Iterator[Event]:
    """Yield progress, then ModelLoaded; the model is then in `cache` (see `loaded`).

    Raises UnknownModel, ModelUnreadable, ModelIncompatible, HubUnreachable, OutOfMemory.
    """
    entry = catalog.find(model_id)
    if entry.path is None:
        yield from _download(entry)
        entry = catalog.find(model_id)
    yield from load_entry(entry, catalog=catalog, cache=cache, needs=needs)


def load_entry(
    entry: Entry, *, catalog: Catalog, cache: ModelCache, needs: tuple[str, ...]
) -> Iterator[Event]:
    """Likewise, for an entry whose files are on this machine."""
    if entry.path is None:
        raise ModelUnreadable(
            f"{entry.id} has no config.json, or no *.safetensors file, on the hub.",
            remedy="Choose a repository with weights in safetensors.",
            field="model",
        )
    facts = catalogs.read_facts(entry.path)
    _require(entry.id, facts, needs)
    model = cache.get(_key(entry))
    if model is None:
        yield Progress(stage="loading the model", done=0, total=1, unit="models")
        size = facts["parameters"] * dtype_for(facts["dtype"]).itemsize
        cache.make_room(size)
        model = read(entry, facts, trusted=_is_trusted(entry, catalog))
        yield Progress(stage="checking the hooks", done=0, total=1, unit="checks")
        model.info = model.info.model_copy(update={"self_check": self_check(model)})
        cache.models[_key(entry)] = model  # not sooner: a run stopped here leaves no half of it
    yield ModelLoaded(info=model.info)


def loaded(entry: Entry, cache: ModelCache) -> Model:
    """The model that `load` put into the cache."""
    return cache.models[_key(entry)]


def read(entry: Entry, facts: dict[str, Any], *, trusted: bool = False) -> Model:
    """Read weights and tokenizer of a folder. Raises ModelUnreadable, OutOfMemory."""
    assert entry.path is not None
    capability = next(name for name in LOADERS if name in facts["capabilities"])
    device, dtype = default_device(), dtype_for(facts["dtype"])
    try:
        plain, report = LOADERS[capability].from_pretrained(
            entry.path,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=trusted,
            ignore_mismatched_sizes=True,  # refused below, by name
            output_loading_info=True,
        )
        tokenizer = AutoTokenizer.from_pretrained(
            entry.path, local_files_only=True, trust_remote_code=trusted
        )
    except UNREADABLE as error:
        if is_out_of_memory(error):
            raise
        raise _unreadable(entry, error) from error
    _refuse_missing(entry, report)
    plain = plain.eval().requires_grad_(requires_grad=False).to(device)
    return Model(_info(entry, facts, plain), plain, tokenizer, entry.path)


def dtype_for(stored: str) -> torch.dtype:
    """float32 on a CPU; on a GPU the checkpoint's own."""
    if default_device() == "cpu":
        return torch.float32
    return {"F16": torch.float16, "BF16": torch.bfloat16}.get(stored, torch.float32)


@torch.inference_mode()
def self_check(model: Model) -> SelfCheck | None:
    """Hooked logits, and SDPA logits, against plain eager transformers on a fixed prompt.

    None for a model that is not a causal LM (the hooked route is not used for it).
    """
    if "causal_lm" not in model.info.capabilities:
        return None
    ids = model.tokenizer(CHECK_TEXT, return_tensors="pt").input_ids.to(model.device)
    ids = ids[:, : model.info.context]
    own = model.plain.config._attn_implementation  # SDPA where the architecture has it
    fast = model.plain(ids).logits
    model.plain.set_attn_implementation("eager")
    plain = model.plain(ids).logits.double()
    model.plain.set_attn_implementation(own)
    largest = _largest_difference(plain, torch.zeros_like(plain))
    tolerance = CHECK_TOLERANCE[model.plain.dtype] * max(1.0, largest)
    fast_difference = _largest_difference(fast.double(), plain)
    try:
        hooked = model.bridge(ids).double()
    except Exception as error:  # noqa: BLE001 (any failure of the bridge is the finding itself)
        return SelfCheck(
            passed=False,
            max_abs_difference=0.0,
            max_abs_difference_fast=fast_difference,
            tolerance=tolerance,
            tokens=ids.shape[1],
            message=f"No hooks for this model: {first_line(error)}",
        )
    difference = _largest_difference(hooked, plain)
    finite = bool(torch.stack([hooked, plain, fast.double()]).isfinite().all())
    return SelfCheck(
        passed=finite and max(difference, fast_difference) <= tolerance,
        max_abs_difference=difference,
        max_abs_difference_fast=fast_difference,
        tolerance=tolerance,
        tokens=ids.shape[1],
        message="" if finite else "Some logits are not finite; the differences leave them out.",
    )


def _largest_difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Where both are finite."""
    return (found - expected).abs().nan_to_num(0, 0, 0).max().item()


def first_line(error: BaseException) -> str:
    """Kind of an error and the beginning of its message, for a sentence of ours."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def _info(entry: Entry, facts: dict[str, Any], plain: PreTrainedModel) -> ModelInfo:
    assert entry.path is not None
    names = "architecture layers heads key_value_heads width context vocabulary capabilities"
    return ModelInfo(
        id=entry.id,
        revision=entry.path.name if entry.source == "hub" else catalogs.folder_revision(entry.path),
        parameters=sum(weight.numel() for weight in plain.parameters()),
        dtype=str(plain.dtype).removeprefix("torch."),
        device=str(plain.device),
        weights="raw",
        **{name: facts[name] for name in names.split()},
    )


def _key(entry: Entry) -> tuple[str, str, str]:
    assert entry.path is not None
    return (entry.id, catalogs.folder_revision(entry.path), str(entry.path))


def _is_trusted(entry: Entry, catalog: Catalog) -> bool:
    assert entry.path is not None
    revision = entry.path.name if entry.source == "hub" else catalogs.folder_revision(entry.path)
    return f"{entry.repository}@{revision}" in catalog.trusted_remote_code


def _require(model_id: str, facts: dict[str, Any], needs: tuple[str, ...]) -> None:
    missing = [name for name in needs if name not in facts["capabilities"]]
    if missing or not any(name in facts["capabilities"] for name in LOADERS):
        raise ModelIncompatible(
            f"{model_id} is a {facts['architecture']}; needed: {', '.join(missing or LOADERS)}.",
            remedy="Choose a model with that capability (see the list of models).",
            field="model",
        )


def _unreadable(entry: Entry, error: Exception) -> ModelUnreadable:
    remedy = "Check that the folder holds the files of one checkpoint."
    if "trust_remote_code" in str(error):
        remedy = "An administrator can list its id and revision in TRUSTED_REMOTE_CODE."
    return ModelUnreadable(f"{entry.id} cannot be loaded: {first_line(error)}", remedy=remedy)


def _refuse_missing(entry: Entry, report: dict[str, Any]) -> None:
    for kind in ("missing_keys", "mismatched_keys"):
        names = sorted(str(name) for name in report.get(kind) or ())
        if names:
            raise ModelUnreadable(
                f"{entry.id}: {len(names)} {kind.replace('_', ' ')} in the weights, "
                f"such as {names[0]}.",
                remedy="config.json and the safetensors files must be of one checkpoint.",
            )


def _out_of_memory(rows: int, length: int) -> OutOfMemory:
    return OutOfMemory(
        f"{rows} rows of {length} tokens do not fit into the device's memory.",
        remedy="Lower rows_per_forward, shorten the prompt, or choose a smaller model.",
        field="rows_per_forward",
    )


class _Bytes(tqdm):  # type: ignore[type-arg]
    """A progress bar that only counts, for a download that runs in a thread."""

    bars: ClassVar[list["_Bytes"]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "disable": True})
        self.total = self.total or 0
        if kwargs.get("unit") == "B":
            self.bars.append(self)

    def update(self, n: float | None = 1) -> bool | None:
        self.n += n or 0
        return None

    @classmethod
    def counted(cls) -> tuple[int, int]:
        """Bytes so far, and in all; a file may be counted by two bars, received and written."""
        done = max((int(bar.n) for bar in cls.bars), default=0)
        return done, max((int(bar.total or 0) for bar in cls.bars), default=0)


def _download(entry: Entry) -> Iterator[Event]:
    """Bring a hub model into the cache, yielding bytes twice a second."""
    outcome: list[Exception | None] = []
    _Bytes.bars.clear()
    thread = threading.Thread(target=_fetch, args=(entry, outcome), daemon=True)
    thread.start()
    while not outcome:
        yield _downloaded(entry)
        thread.join(0.5)
    yield _downloaded(entry)
    error = outcome[0]
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        raise HubUnreachable(
            f"The hub refused {entry.id}: HTTP {error.response.status_code}.",
            remedy="Check the id and the revision; for a gated model set HF_TOKEN.",
            field="model",
        ) from error
    if isinstance(error, LocalEntryNotFoundError):
        raise HubUnreachable(
            f"{entry.id} is not on this machine and the hub cannot be reached.",
            remedy="Connect to the network, or put the model's folder under MODEL_DIRS.",
            field="model",
        ) from error
    if error is not None:
        raise HubUnreachable(
            f"The download of {entry.id} broke off: {first_line(error)}.",
            remedy="Try again; files that are complete are kept.",
            field="model",
        ) from error


def _downloaded(entry: Entry) -> Progress:
    done, total = _Bytes.counted()
    return Progress(
        stage=f"downloading {entry.id}", done=min(done, total), total=total, unit="bytes"
    )


def _fetch(entry: Entry, outcome: list[Exception | None]) -> None:
    try:
        huggingface_hub.snapshot_download(
            entry.repository,
            revision=entry.requested_revision,
            allow_patterns=catalogs.HUB_FILES,
            tqdm_class=_Bytes,
        )
        outcome.append(None)
    except Exception as error:  # noqa: BLE001 (raised where the download is waited for)
        outcome.append(error)
