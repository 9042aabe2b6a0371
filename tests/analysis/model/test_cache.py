import pytest

from analysis.catalog import Catalog
from analysis.errors import OutOfMemory
from analysis.model import ModelCache, load


def sizes(catalog: Catalog) -> dict[str, int]:
    names = ("tiny-llama", "tiny-gpt2", "tiny-bert")
    return {name: 4 * catalog.describe(name)["parameters"] for name in names}


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
