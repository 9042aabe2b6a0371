"""The models that come with the product load like any other, and are small."""

import pytest

from analysis.catalog.entries import BUNDLED, Catalog
from analysis.loading import ModelCache, load, loaded

CAPABILITIES = {
    "demo-lm": ["causal_lm"],
    "demo-diffusion": ["masked_lm", "masked_diffusion_lm"],
    "demo-vlm": ["causal_lm", "vision_language"],
    "demo-t2i": ["text_to_image"],
}
MEGABYTE = 10**6


@pytest.mark.parametrize("name", CAPABILITIES)
def test_a_bundled_model_is_in_the_catalog_and_passes_its_self_check(name: str) -> None:
    catalog, cache = Catalog(), ModelCache(2**30)
    list(load(name, catalog=catalog, cache=cache))
    info = loaded(catalog.find(name), cache).info
    assert info.capabilities == CAPABILITIES[name]
    assert info.self_check is not None
    assert info.self_check.passed


def test_all_bundled_models_are_named_here_and_small() -> None:
    folders = [folder for folder in BUNDLED.iterdir() if folder.is_dir()]
    sizes = {
        folder.name: sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        for folder in folders
    }
    assert set(sizes) == set(CAPABILITIES)
    assert max(sizes.values()) <= 12 * MEGABYTE
    assert sum(sizes.values()) <= 40 * MEGABYTE
