"""Answers of models that would write a token of a picture or a video."""

from pathlib import Path
from shutil import copytree
from types import SimpleNamespace
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import analysis
from analysis.catalog.entries import Catalog
from analysis.errors import SpecialTokenInText
from analysis.loading import load, loaded
from analysis.model.media_tokens import media_tokens
from analysis.runner import model_cache
from tests.tiny_pictures import make_llava, make_qwen2_5_vl

MAKE = {"image": make_llava, "video": make_qwen2_5_vl}
TOKENS = {"image": "<image>", "video": "<|video_pad|>"}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    root = tmp_path_factory.mktemp("models")
    for name, make in MAKE.items():
        make(root / name)
    return Catalog(bundled=Path("none"), model_dirs=(root,))


def answer(catalog: Catalog, name: str, **params: Any) -> list[Any]:
    given = {"max_new_tokens": 4, "causal": False, **params}
    return list(analysis.run("seg_similarity", model=name, params=given, catalog=catalog))


def ids_of(events: list[Any]) -> list[tuple[str, float]]:
    [tokens] = [event.tokens for event in events if event.kind == "tokens"]
    return [(token.piece, token.logprob) for token in tokens if token.answer]


@pytest.mark.parametrize("name", MAKE)
def test_a_token_of_another_medium_is_never_written(
    catalog: Catalog, tmp_path: Path, name: str
) -> None:
    plain = ids_of(answer(catalog, name))
    list(load(name, catalog=catalog, cache=model_cache()))
    tokenizer = loaded(catalog.find(name), model_cache()).tokenizer
    folder = Path(copytree(catalog.find(name).path, tmp_path / f"writes-{name}"))
    weights = load_file(folder / "model.safetensors")
    [head] = [weight for key, weight in weights.items() if key.endswith("lm_head.weight")]
    row = head[tokenizer.convert_tokens_to_ids(plain[0][0])].clone()
    head[tokenizer.convert_tokens_to_ids(TOKENS[name])] = 3 * row
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    events = answer(Catalog(Path("none"), (tmp_path,)), folder.name)
    found = ids_of(events)
    assert TOKENS[name] not in [piece for piece, _ in found]
    assert found[0][0] == plain[0][0]
    assert found[0][1] < plain[0][1]  # the token that was not written keeps its probability
    [note] = [event for event in events if event.kind == "omitted"]
    assert note.reason.startswith("At token 1")
    assert TOKENS[name] in note.reason
    assert not [event for event in answer(catalog, name) if event.kind == "omitted"]


def test_a_video_token_in_the_question_is_refused(catalog: Catalog) -> None:
    with pytest.raises(SpecialTokenInText, match="it marks a picture, a video or a sound"):
        answer(catalog, "video", question="Is <|video_pad|> red?", special_tokens="token")


def test_media_tokens_are_those_of_the_configuration() -> None:
    qwen = SimpleNamespace(image_token_id=5, video_token_id=6, vision_start_token_id=7, eos=1)
    gemma = SimpleNamespace(boi_token_index=2, eoi_token_id=3, audio_token_id=4, bos_token_id=1)
    assert media_tokens(qwen) == {5, 6, 7}
    assert media_tokens(gemma) == {2, 3, 4}
    assert media_tokens(SimpleNamespace(image_token_id=None, mm_tokens_per_image=256)) == set()
