from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.catalog.entries import Catalog, folder_entry
from analysis.catalog.metadata import read_metadata
from analysis.catalog.revision import folder_revision
from analysis.errors import ModelIncompatible
from analysis.events import ModelLoaded, Progress
from analysis.loading import ModelCache, load, load_entry, loaded
from analysis.model import Model
from tests.load_folder import load_folder
from tests.tiny_models import edit_config, make_t5


@pytest.mark.parametrize("needed", ["causal_lm", "vision_language"])
def test_a_missing_capability_is_named(catalog: Catalog, needed: str) -> None:
    with pytest.raises(ModelIncompatible, match=f"BertForMaskedLM; needed: {needed}") as caught:
        list(load("tiny-bert", catalog=catalog, cache=ModelCache(2**30), needs=(needed,)))
    assert caught.value.field == "model"


def test_one_of_the_capabilities_is_enough(catalog: Catalog) -> None:
    cache = ModelCache(2**30)
    list(load("tiny-bert", catalog=catalog, cache=cache, needs=("text_to_image", "masked_lm")))
    with pytest.raises(ModelIncompatible, match="needed: causal_lm or text_to_image"):
        list(load("tiny-bert", catalog=catalog, cache=cache, needs=("causal_lm", "text_to_image")))


def test_a_model_of_no_known_kind_is_incompatible(folder: Path) -> None:
    edit_config(folder, architectures=["LlamaForSequenceClassification"])
    with pytest.raises(ModelIncompatible, match="causal_lm or masked_lm"):
        load_folder(folder)


def test_loading_shows_its_stages_then_the_model(catalog: Catalog) -> None:
    cache = ModelCache(2**30)
    events = list(load("tiny-llama", catalog=catalog, cache=cache))
    stages = [event.stage for event in events if isinstance(event, Progress)]
    assert list(dict.fromkeys(stages)) == ["loading the model", "checking the hooks"]
    again = list(load("tiny-llama", catalog=catalog, cache=cache))
    assert (
        again == events[-1:] == [ModelLoaded(info=loaded(catalog.find("tiny-llama"), cache).info)]
    )


def test_a_load_stopped_before_its_check_is_begun_again(catalog: Catalog) -> None:
    cache = ModelCache(2**30)
    for event in load("tiny-llama", catalog=catalog, cache=cache):
        if isinstance(event, Progress) and event.stage == "checking the hooks":
            break
    event = list(load("tiny-llama", catalog=catalog, cache=cache))[-1]
    assert isinstance(event, ModelLoaded)
    assert event.info.self_check is not None


def test_changed_files_are_loaded_anew(folder: Path) -> None:
    cache, entry = ModelCache(2**30), folder_entry(folder)
    list(load_entry(entry, catalog=Catalog(), cache=cache, needs=()))
    first = loaded(entry, cache)
    edit_config(folder, note="another revision")
    list(load_entry(entry, catalog=Catalog(), cache=cache, needs=()))
    assert loaded(entry, cache) is not first
    assert loaded(entry, cache).info.revision == folder_revision(folder) != first.info.revision


CAPABILITIES = {
    "llama": ["causal_lm"],
    "qwen2": ["causal_lm"],
    "gemma": ["causal_lm"],
    "gpt2": ["causal_lm"],
    "bert": ["masked_lm", "masked_diffusion_lm"],
    "roberta": ["masked_lm", "masked_diffusion_lm"],
    "modernbert": ["masked_lm", "masked_diffusion_lm"],
    "llada": ["masked_diffusion_lm"],
    "dream": ["masked_diffusion_lm"],
    "llava": ["causal_lm", "vision_language"],
    "qwen2-5-vl": ["causal_lm", "vision_language"],
    "flux": ["text_to_image"],
    "sd3": ["text_to_image"],
}


def stored_buffers(model: Model) -> int:
    """Elements that are stored and not learned, such as the positions of a denoiser."""
    return sum(
        buffer.numel()
        for part in model.modules
        for name, buffer in part.named_buffers()
        if name in part.state_dict()
    )


@pytest.mark.parametrize("name", CAPABILITIES)
def test_every_class_is_loaded_with_its_capabilities_and_passes_its_self_check(
    every: Callable[[str], Model], name: str
) -> None:
    model = every(name)
    assert model.info.capabilities == CAPABILITIES[name]
    check = model.info.self_check
    assert check is not None
    assert check.passed
    assert 0 < check.tolerance < 0.01
    assert check.compared
    assert not any(weight.requires_grad for part in model.modules for weight in part.parameters())
    assert not any(part.training for part in model.modules)
    counted = sum(weight.numel() for part in model.modules for weight in part.parameters())
    assert model.info.parameters == counted
    assert read_metadata(model.path).parameters == counted + stored_buffers(model)


def test_a_sequence_to_sequence_model_is_described_and_no_method_loads_it(tmp_path: Path) -> None:
    folder = make_t5(tmp_path / "t5")
    metadata = read_metadata(folder)
    assert (metadata.layers, metadata.heads, metadata.width, metadata.context) == (2, 4, 32, 0)
    with pytest.raises(ModelIncompatible, match="one stack of layers"):
        load_folder(folder)


def test_what_a_model_lacks_is_refused_with_the_reason(catalog: Catalog) -> None:
    with pytest.raises(ModelIncompatible, match=r"reads both ways .* cannot continue a text"):
        list(load("tiny-bert", catalog=catalog, cache=ModelCache(2**30), needs=("causal_lm",)))
