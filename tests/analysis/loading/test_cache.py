from collections import OrderedDict
from collections.abc import Callable

import pytest

from analysis.catalog.entries import Catalog
from analysis.catalog.metadata import read_metadata
from analysis.errors import OutOfMemory
from analysis.loading import ModelCache, load, loaded
from analysis.model import Model


def sizes(catalog: Catalog) -> dict[str, int]:
    names = ("tiny-llama", "tiny-gpt2", "tiny-bert")
    paths = {name: catalog.find(name).path for name in names}
    return {name: 4 * read_metadata(path).parameters for name, path in paths.items() if path}


def test_the_model_used_longest_ago_makes_room(catalog: Catalog) -> None:
    cache = ModelCache(sum(sizes(catalog).values()) - 1)
    for name in ("tiny-llama", "tiny-gpt2", "tiny-llama", "tiny-bert"):
        list(load(name, catalog=catalog, cache=cache))
    assert [key[0] for key in cache.models] == ["tiny-llama", "tiny-bert"]
    assert cache.held() <= cache.budget


def test_a_model_that_never_fits_is_refused_and_drops_no_other(catalog: Catalog) -> None:
    cache = ModelCache(sizes(catalog)["tiny-llama"])
    list(load("tiny-llama", catalog=catalog, cache=cache))
    with pytest.raises(OutOfMemory, match="The weights take"):
        list(load("tiny-gpt2", catalog=catalog, cache=cache))
    assert [key[0] for key in cache.models] == ["tiny-llama"]


def test_a_model_that_an_analysis_holds_stays_and_counts(catalog: Catalog) -> None:
    cache = ModelCache(sum(sizes(catalog).values()) - 1)
    list(load("tiny-llama", catalog=catalog, cache=cache))
    held = loaded(catalog.find("tiny-llama"), cache)
    for name in ("tiny-gpt2", "tiny-bert"):
        list(load(name, catalog=catalog, cache=cache))
    assert [key[0] for key in cache.models] == ["tiny-llama", "tiny-bert"]
    assert loaded(catalog.find("tiny-llama"), cache) is held


def test_what_does_not_fit_beside_a_held_model_is_refused(catalog: Catalog) -> None:
    found = sizes(catalog)
    cache = ModelCache(found["tiny-llama"] + found["tiny-gpt2"] - 1)
    list(load("tiny-llama", catalog=catalog, cache=cache))
    held = loaded(catalog.find("tiny-llama"), cache)
    with pytest.raises(OutOfMemory, match="is in use by models of this very run"):
        list(load("tiny-gpt2", catalog=catalog, cache=cache))
    assert [key[0] for key in cache.models] == ["tiny-llama"]
    assert held.bridge  # its hooks and it refer to each other
    del held
    list(load("tiny-gpt2", catalog=catalog, cache=cache))
    assert [key[0] for key in cache.models] == ["tiny-gpt2"]


def test_a_pipeline_weighs_what_all_its_parts_do(every: Callable[[str], Model]) -> None:
    model = every("sd3")
    cache = ModelCache(2**30, OrderedDict({("sd3", "", "", ""): model}))
    assert cache.held() == 4 * model.info.parameters
    assert len(model.modules) == 5
