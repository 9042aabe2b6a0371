from pathlib import Path

import pytest

from analysis.catalog import Catalog, folder_entry
from analysis.errors import ModelIncompatible
from analysis.events import ModelLoaded, Progress
from analysis.model import ModelCache, load, load_entry, loaded
from analysis.revision import folder_revision
from tests.load_folder import load_folder
from tests.tiny_models import edit_config


@pytest.mark.parametrize("needed", ["causal_lm", "vision_language"])
def test_a_missing_capability_is_named(catalog: Catalog, needed: str) -> None:
    with pytest.raises(ModelIncompatible, match=f"BertForMaskedLM; needed: {needed}") as caught:
        list(load("tiny-bert", catalog=catalog, cache=ModelCache(2**30), needs=(needed,)))
    assert caught.value.field == "model"


def test_a_model_of_no_known_kind_is_incompatible(folder: Path) -> None:
    edit_config(folder, architectures=["LlamaForSequenceClassification"])
    with pytest.raises(ModelIncompatible, match="causal_lm, masked_lm"):
        load_folder(folder)


def test_loading_shows_its_stages_then_the_model(catalog: Catalog) -> None:
    cache = ModelCache(2**30)
    events = list(load("tiny-llama", catalog=catalog, cache=cache))
    stages = [event.stage for event in events if isinstance(event, Progress)]
    assert stages == ["loading the model", "checking the hooks"]
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
