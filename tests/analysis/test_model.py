import json
import shutil
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
import transformers
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM, GptOssConfig, GptOssForCausalLM

from analysis.catalog import Catalog, Entry, folder_entry
from analysis.errors import HubUnreachable, ModelIncompatible, ModelUnreadable, OutOfMemory
from analysis.events import Event, ModelLoaded, Progress, SelfCheck
from analysis.model import Model, ModelCache, load, load_entry, loaded, self_check
from analysis.model.checks import CHECK_TEXT
from analysis.model.memory import row_bytes
from analysis.revision import folder_revision

Bridge = Callable[..., Any]
REPOSITORY = "owner/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(model_dir: Path, tmp_path: Path) -> Path:
    """A copy of tiny-llama that a test may spoil."""
    return Path(shutil.copytree(model_dir / "tiny-llama", tmp_path / "copy"))


@pytest.fixture
def ids(model: Model) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(3, model.info.vocabulary, (2, 9), generator=generator)


def load_folder(path: Path, **options: Any) -> Model:
    """Load into a cache of its own."""
    cache, entry = ModelCache(2**30), folder_entry(path)
    list(load_entry(entry, catalog=Catalog(**options), cache=cache, needs=()))
    return loaded(entry, cache)


def checked(path: Path) -> SelfCheck:
    found = load_folder(path).info.self_check
    assert found is not None
    return found


def edit_config(path: Path, **values: Any) -> None:
    file = path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def reference(model: Model, **inputs: torch.Tensor) -> torch.Tensor:
    """Logits of plain transformers with eager attention, loaded anew."""
    plain = AutoModelForCausalLM.from_pretrained(model.path, attn_implementation="eager").eval()
    with torch.inference_mode():
        logits: torch.Tensor = plain(**inputs).logits
    return logits


def test_the_self_check_passes_with_the_differences_that_are_there(model: Model) -> None:
    check = self_check(model)
    assert check == model.info.self_check
    assert check is not None
    assert check.passed
    ids = model.tokenizer(CHECK_TEXT, return_tensors="pt").input_ids[:, : model.info.context]
    plain = reference(model, input_ids=ids)
    with torch.inference_mode():
        hooked = (model.bridge(ids) - plain).abs().max().item()
        fast = (model.plain(ids).logits - plain).abs().max().item()
    assert check.max_abs_difference == pytest.approx(hooked, abs=1e-7)
    assert check.max_abs_difference_fast == pytest.approx(fast, abs=1e-7)
    assert check.tolerance == pytest.approx(1e-4 * max(1, plain.abs().max().item()))
    assert check.tokens == ids.shape[1]


def test_after_the_self_check_the_plain_model_runs_sdpa(model: Model) -> None:
    self_check(model)
    assert model.plain.config._attn_implementation == "sdpa"


def test_an_architecture_without_sdpa_is_checked_too(folder: Path) -> None:
    config = GptOssConfig(
        vocab_size=311, hidden_size=32, intermediate_size=32, num_hidden_layers=1, head_dim=8,
        num_attention_heads=4, num_key_value_heads=2, num_local_experts=2, num_experts_per_tok=1,
        max_position_embeddings=96, layer_types=["full_attention"],
    )  # fmt: skip
    GptOssForCausalLM(config).save_pretrained(folder)
    assert checked(folder).passed
    assert load_folder(folder).plain.config._attn_implementation == "eager"


@pytest.fixture
def corrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[Bridge], None]:
    """Change every bridge that is built from now on."""

    def change(how: Bridge) -> None:
        boot = TransformerBridge.boot_transformers
        monkeypatch.setattr(
            TransformerBridge, "boot_transformers", lambda *a, **k: how(boot(*a, **k))
        )

    return change


def with_logits(change: Callable[[torch.Tensor], torch.Tensor]) -> Bridge:
    def alter(bridge: Any) -> Any:
        bridge.add_hook("unembed.hook_out", lambda logits, hook: change(logits))
        return bridge

    return alter


def test_hooks_that_shift_the_logits_fail_the_check(
    folder: Path, corrupt: Callable[[Bridge], None]
) -> None:
    corrupt(with_logits(lambda logits: logits + 0.25))
    check = checked(folder)
    assert not check.passed
    assert check.max_abs_difference == pytest.approx(0.25, abs=1e-4)


def test_logits_that_are_no_numbers_fail_the_check(
    folder: Path, corrupt: Callable[[Bridge], None]
) -> None:
    corrupt(with_logits(lambda logits: logits * torch.nan))
    check = checked(folder)
    assert not check.passed
    assert "not finite" in check.message


def test_a_bridge_that_cannot_be_built_is_reported(
    folder: Path, corrupt: Callable[[Bridge], None]
) -> None:
    def refuse(bridge: Any) -> Any:
        raise AssertionError

    corrupt(refuse)
    check = checked(folder)
    assert not check.passed
    assert "AssertionError" in check.message


def test_logits_equal_plain_transformers_at_the_positions_asked_for(
    model: Model, ids: torch.Tensor
) -> None:
    positions = torch.tensor([0, 3, 4, 8])
    with torch.inference_mode():
        found = model.logits(ids, positions)
    torch.testing.assert_close(
        found, reference(model, input_ids=ids)[:, positions], atol=1e-5, rtol=0
    )


def test_logits_of_embeddings_equal_those_of_their_ids(model: Model, ids: torch.Tensor) -> None:
    positions = torch.tensor([2, 7])
    with torch.inference_mode():
        embedded = model.embeddings(ids)
        found = model.logits(None, positions, embeddings_BND=embedded)
    torch.testing.assert_close(
        found, reference(model, input_ids=ids)[:, positions], atol=1e-5, rtol=0
    )


def test_rows_and_forwards_are_counted(model: Model, ids: torch.Tensor) -> None:
    rows, forwards = model.rows, model.forwards
    model.logits(ids, torch.tensor([0]))
    assert (model.rows - rows, model.forwards - forwards) == (2, 1)


def test_rows_per_pass_stay_between_one_and_the_limit(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.model.classes.memory_bytes", lambda _: 10**30)
    assert model.rows_per_pass(1, 1, 64) == 64
    assert model.rows_per_pass(10**9, 1, 64) == 1
    assert model.rows_per_pass(10, 1, 10**9) == int(1.5e10 / (20 * model.info.parameters))


def test_a_pass_that_does_not_fit_names_its_rows(
    model: Model, ids: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.plain, "forward", lambda **_: torch.empty(2**55))
    with pytest.raises(OutOfMemory, match="2 rows of 9 tokens") as caught:
        model.logits(ids, torch.tensor([0]))
    assert caught.value.field == "rows_per_forward"


def test_bridge_and_plain_model_hold_one_set_of_weights(model: Model) -> None:
    plain = {weight.untyped_storage().data_ptr() for weight in model.plain.parameters()}
    hooked = {weight.untyped_storage().data_ptr() for weight in model.bridge.parameters()}
    assert hooked == plain


def test_a_hook_acts_within_its_context_alone(model: Model, ids: torch.Tensor) -> None:
    before = model.bridge(ids)
    seen: list[tuple[int, ...]] = []

    def look(residual: torch.Tensor, hook: Any) -> torch.Tensor:
        seen.append(tuple(residual.shape))
        return residual * 0

    with model.hooks([("blocks.0.hook_resid_post", look)]):
        assert not torch.equal(model.bridge(ids), before)
    assert seen == [(2, 9, model.info.width)]
    assert torch.equal(model.bridge(ids), before)


def test_a_hook_goes_when_its_context_fails(model: Model, ids: torch.Tensor) -> None:
    before = model.bridge(ids)

    def fail(residual: torch.Tensor, hook: Any) -> torch.Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), model.hooks([("blocks.1.hook_resid_post", fail)]):
        model.bridge(ids)
    assert torch.equal(model.bridge(ids), before)


def spoil_missing(path: Path) -> None:
    tensors = load_file(path / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, path / "model.safetensors", {"format": "pt"})


def spoil_mismatched(path: Path) -> None:
    edit_config(path, intermediate_size=48)


def spoil_field(path: Path) -> None:
    edit_config(path, intermediate_size="wide")


def spoil_heads(path: Path) -> None:
    edit_config(path, num_attention_heads=0, head_dim=None)


def spoil_uneven_heads(path: Path) -> None:
    edit_config(path, num_attention_heads=3, num_key_value_heads=3, head_dim=None)


def spoil_tokenizer(path: Path) -> None:
    (path / "tokenizer.json").unlink()


def spoil_tokenizer_config(path: Path) -> None:
    (path / "tokenizer_config.json").write_text("[]")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (spoil_missing, "1 missing keys in the weights, such as model.layers.1.mlp.up_proj"),
        (spoil_mismatched, "6 mismatched keys in the weights, such as .*model.layers.0"),
        (spoil_field, "intermediate_size"),
        (spoil_heads, "copy"),
        (spoil_uneven_heads, "copy"),
        (spoil_tokenizer, "copy"),
        (spoil_tokenizer_config, "copy"),
    ],
)
def test_files_that_contradict_each_other_are_refused(
    folder: Path, spoil: Callable[[Path], None], named: str
) -> None:
    spoil(folder)
    with pytest.raises(ModelUnreadable, match=named) as caught:
        load_folder(folder)
    assert "one checkpoint" in caught.value.remedy


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


@pytest.fixture
def own_code(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose model is built by a Python file of its own, which leaves a mark when run."""
    modules = tmp_path / "modules"
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(modules))
    monkeypatch.syspath_prepend(str(modules))
    mark = tmp_path / "mark"
    (folder / "modeling_own.py").write_text(
        "from pathlib import Path\n"
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        f"Path({str(mark)!r}).touch()\n"
        "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
        "class OwnForCausalLM(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    )
    edit_config(
        folder,
        model_type="own",
        architectures=["OwnForCausalLM"],
        auto_map={
            "AutoConfig": "modeling_own.OwnConfig",
            "AutoModelForCausalLM": "modeling_own.OwnForCausalLM",
        },
    )
    return folder


@pytest.mark.parametrize("listed", ["", "copy", "copy@0123456789abcdef", "other@{revision}"])
def test_code_of_a_checkpoint_does_not_run(own_code: Path, listed: str, tmp_path: Path) -> None:
    trusted = frozenset({listed.format(revision=folder_revision(own_code))})
    with pytest.raises(ModelUnreadable, match="custom code") as caught:
        load_folder(own_code, trusted_remote_code=trusted)
    assert "TRUSTED_REMOTE_CODE" in caught.value.remedy
    assert not (tmp_path / "mark").exists()


def test_code_of_a_checkpoint_runs_where_its_revision_is_listed(
    own_code: Path, tmp_path: Path
) -> None:
    trusted = frozenset({f"copy@{folder_revision(own_code)}"})
    model = load_folder(own_code, trusted_remote_code=trusted)
    assert type(model.plain).__name__ == "OwnForCausalLM"
    assert (tmp_path / "mark").exists()


class Hub(ThreadingHTTPServer):
    """What huggingface_hub asks of a hub, for the files of one folder."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), HubRequest)
        self.folder = folder
        self.half_sent = threading.Event()  # of the weights
        self.go_on = threading.Event()
        self.breaks_off = False
        self.files = {file.name: file.read_bytes() for file in folder.iterdir()}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class HubRequest(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        hub, path = self.server, self.path.partition("?")[0]
        if path == f"/api/models/{REPOSITORY}/revision/main":
            self.send(json.dumps({"id": REPOSITORY, "sha": COMMIT}).encode())
        elif path == f"/api/models/{REPOSITORY}/tree/{COMMIT}":
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": name}
                for name, content in hub.files.items()
            ]
            self.send(json.dumps(tree).encode())
        elif path.startswith(f"/{REPOSITORY}/resolve/{COMMIT}/"):
            self.send(hub.files[path.rpartition("/")[2]], weights=path.endswith(".safetensors"))
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def send(self, content: bytes, *, weights: bool = False) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hash(content):x}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(content) // 2
        self.wfile.write(content[:half])
        self.wfile.flush()
        if weights:
            self.server.half_sent.set()
            if self.server.breaks_off:
                self.reset()
                return
            self.server.go_on.wait(20)
        self.wfile.write(content[half:])

    def reset(self) -> None:
        """End the connection as a network that fails does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


@pytest.fixture
def point_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Send what huggingface_hub asks to another address, with an empty cache."""

    def point(url: str) -> None:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + template)
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1024)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        huggingface_hub.close_session()

    yield point
    huggingface_hub.close_session()


@pytest.fixture
def hub(folder: Path, point_at: Callable[[str], None]) -> Iterator[Hub]:
    server = Hub(folder)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    point_at(server.url)
    yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


def download(name: str = REPOSITORY) -> list[Event]:
    return list(load(name, catalog=Catalog(), cache=ModelCache(2**30)))


def test_a_hub_model_is_downloaded_with_progress_then_loaded(hub: Hub) -> None:
    total = sum(len(content) for content in hub.files.values())
    seen: list[Progress] = []
    info = None
    for event in load(REPOSITORY, catalog=Catalog(), cache=ModelCache(2**30)):
        if isinstance(event, Progress) and event.unit == "bytes":
            seen.append(event)
            if 0 < event.done < event.total:
                hub.go_on.set()
        if isinstance(event, ModelLoaded):
            info = event.info
    assert {event.stage for event in seen} == {f"downloading {REPOSITORY}"}
    assert [event.done for event in seen] == sorted(event.done for event in seen)
    assert any(0 < event.done < event.total for event in seen)
    assert (seen[-1].done, seen[-1].total) == (total, total)
    assert info is not None
    assert (info.id, info.revision) == (REPOSITORY, COMMIT)
    assert Catalog().find(REPOSITORY) == Entry(
        REPOSITORY, "hub", Path(constants.HF_HUB_CACHE, "models--owner--tiny/snapshots", COMMIT)
    )


def test_a_downloaded_model_needs_no_hub(hub: Hub, point_at: Callable[[str], None]) -> None:
    hub.go_on.set()
    download()
    hub.shutdown()
    point_at("http://127.0.0.1:1")
    assert isinstance(download()[-1], ModelLoaded)


def test_a_download_that_breaks_off_is_typed_and_can_be_taken_up_again(hub: Hub) -> None:
    hub.breaks_off = True
    with pytest.raises(HubUnreachable, match="owner/tiny") as caught:
        download()
    assert "again" in caught.value.remedy
    assert Catalog().find(REPOSITORY).path is None
    hub.breaks_off = False
    hub.go_on.set()
    assert isinstance(download()[-1], ModelLoaded)


def test_a_repository_without_safetensors_is_unreadable(hub: Hub) -> None:
    hub.files["pytorch_model.bin"] = hub.files.pop("model.safetensors")
    with pytest.raises(ModelUnreadable, match="safetensors"):
        download()


def test_an_id_that_the_hub_does_not_have_is_named(hub: Hub) -> None:
    with pytest.raises(HubUnreachable, match="refused owner/other: HTTP 404") as caught:
        download("owner/other")
    assert caught.value.field == "model"


def test_without_a_network_a_hub_id_is_refused_at_once(point_at: Callable[[str], None]) -> None:
    with socket.socket() as taken:  # bound, not listening: a connection to it is refused
        taken.bind(("127.0.0.1", 0))
        point_at(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(HubUnreachable, match="owner/tiny is not on this machine") as caught:
            download()
    assert "MODEL_DIRS" in caught.value.remedy
    assert caught.value.field == "model"


def test_a_pass_keeps_to_its_share_of_memory(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    row = row_bytes(model.info, 50, 4)
    monkeypatch.setattr("analysis.model.classes.memory_bytes", lambda _: 10 * row)
    monkeypatch.setattr("analysis.model.classes.PASS_MEMORY_SHARE", 0.55)
    assert model.rows_per_pass(50, 4, 64) == 5
    assert model.rows_per_pass(50, 4, 3) == 3
    monkeypatch.setattr("analysis.model.classes.PASS_MEMORY_SHARE", 0.05)
    with pytest.raises(OutOfMemory, match="50 tokens"):
        model.rows_per_pass(50, 4, 64)
