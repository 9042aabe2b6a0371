"""Methods on a model whose tokenizer puts ▁ before every text, against plain transformers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import analysis
from analysis.catalog.entries import folder_entry
from analysis.decoding.stops import TextStop
from analysis.methods.reagent.replacers import vocabulary_map
from analysis.text.tokenization import codec, encode_continued, token_name
from tests.tiny_models import make_prepending_llama
from tests.tokenizer_kinds import byte_level

QUICK: dict[str, Any] = {"probes": 32, "baselines": False, "faithfulness": False}
PROMPT = "One day, Lily and t"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_prepending_llama(tmp_path_factory.mktemp("models") / "prepending")


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


def run(folder: Path, method: str, **params: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for event in analysis.run(method, model=folder_entry(folder), params=params):
        found.setdefault(event.model_dump()["kind"], []).append(event)
    return found


@torch.inference_mode()
def logprobs(folder: Path, ids: list[int]) -> torch.Tensor:
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    found: torch.Tensor = plain(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return found


def test_the_sequence_and_its_answer_are_the_plain_texts(folder: Path, tokenizer: Any) -> None:
    found = run(
        folder, "graph_kv", segments=["One day, Lily was sad.", "Tim was happy."],
        question="Where was Lily?", answer=" at home", permutations=0,
    )  # fmt: skip
    text = "One day, Lily was sad. Tim was happy. Where was Lily?"
    ids = tokenizer(text + " at home").input_ids
    shown = [token for event in found["segment_tokens"] for token in event.tokens]
    assert [token.id for token in shown] == ids
    answer = ids[len(tokenizer(text).input_ids) :]
    before = logprobs(folder, ids)[-len(answer) - 1 : -1]
    [sequential] = [one for one in found["arrangement"] if one.mode == "sequential"]
    expected = before[range(len(answer)), answer].tolist()
    assert sequential.token_logprobs == pytest.approx(expected, abs=1e-5)
    assert found["answer"][0].text == " at home"


def test_each_alternative_is_a_contrast_by_id_and_by_text(folder: Path, tokenizer: Any) -> None:
    output = run(folder, "reagent", prompt=PROMPT, max_new_tokens=1, **QUICK)["output"][0]
    last = logprobs(folder, tokenizer(PROMPT).input_ids)[-1]
    for one in output.steps[0].alternatives:
        for given in (one.id, one.text):
            if isinstance(given, str) and codec(tokenizer).text(one.id) is None:
                continue
            params = {"prompt": PROMPT, "max_new_tokens": 1, "contrast": given, **QUICK}
            contrast = run(folder, "reagent", **params)["output"][0].contrast
            assert contrast.id == one.id
            assert contrast.logprob == pytest.approx(float(last[one.id]), abs=1e-5)


def test_what_a_model_wrote_can_be_given_back(folder: Path) -> None:
    written = run(folder, "reagent", prompt=PROMPT, max_new_tokens=6, **QUICK)
    tokens = [token for event in written["tokens"] for token in event.tokens]
    output = tokens[written["tokens"][0].prompt_length :]
    given = {"prompt": PROMPT, "continuation": [token.id for token in output], **QUICK}
    again = run(folder, "reagent", **given)
    assert [token for event in again["tokens"] for token in event.tokens] == tokens
    assert [s.logprob for s in again["output"][0].steps] == pytest.approx(
        [s.logprob for s in written["output"][0].steps], abs=1e-5
    )


def test_a_word_goes_on_within_itself(folder: Path, tokenizer: Any) -> None:
    found = run(folder, "information_flow", prompt="Lily and th", continuation="ere it is",
                matrix=False, knockout=False, tracing=False, routes=False)  # fmt: skip
    tokens = [token for event in found["tokens"] for token in event.tokens]
    assert "".join(token.text for token in tokens).endswith("Lily and there it is")
    length = found["tokens"][0].prompt_length
    assert [token.id for token in tokens[:length]] == tokenizer("Lily and th").input_ids


def test_an_id_that_is_no_token_is_shown_by_its_number(folder: Path, tokenizer: Any) -> None:
    beyond = len(tokenizer) + 3
    found = run(folder, "reagent", prompt=PROMPT, continuation=[beyond], **QUICK)
    assert found["tokens"][0].tokens[-1].piece == f"#{beyond}"


def test_what_decoders_offer_keeps_its_space(folder: Path, tokenizer: Any) -> None:
    found = run(
        folder, "cntp", prompt="Once, Lily", max_new_tokens=6, with_beam=False,
        with_best_of_n=False, with_self_consistency=False, with_min_p=False,
    )  # fmt: skip
    offered = [one for step in found["step"] for one in step.candidates]
    assert offered
    assert all(one.text == token_name(tokenizer, one.id) for one in offered)
    spaced = tokenizer.convert_ids_to_tokens([one.id for one in offered])
    assert all(
        one.text.startswith(" ") == (piece or "").startswith("▁")
        for one, piece in zip(offered, spaced, strict=True)
    )


def test_tokens_of_another_vocabulary_are_those_of_the_same_text(folder: Path) -> None:
    from analysis.catalog.entries import Catalog
    from analysis.loading import ModelCache, load_entry, loaded

    cache, entry, other = ModelCache(2**30), folder_entry(folder), byte_level()
    list(load_entry(entry, catalog=Catalog(), cache=cache, needs=()))
    model = loaded(entry, cache)
    mapping = vocabulary_map(other, model).tolist()
    same = [(their, our) for their, our in enumerate(mapping) if our >= 0]
    assert len(same) > 30
    assert all(token_name(other, a) == token_name(model.tokenizer, b) for a, b in same)
    assert any(token_name(other, a).startswith(" ") for a, _ in same)


def test_a_stop_text_may_begin_the_output(tokenizer: Any) -> None:
    """Alone, the first token would be decoded without its space."""
    stop = TextStop(tokenizer, (" cat",), codec(tokenizer).anchors[0])
    before = tokenizer.encode("Lily saw a")
    ids = encode_continued(tokenizer, " cat", before=before, field="answer")
    assert [stop(ids[: count + 1]) for count in range(len(ids))] == [False] * (len(ids) - 1) + [
        True
    ]
    assert not TextStop(tokenizer, (" cat",))(ids)  # what the anchor is for
