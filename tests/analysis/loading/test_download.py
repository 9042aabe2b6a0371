import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants

from analysis.catalog.entries import Catalog, Entry
from analysis.errors import HubUnreachable, ModelUnreadable
from analysis.events import Event, ModelLoaded, Progress
from analysis.loading import ModelCache, load
from analysis.loading.download import Bytes, DownloadStopped
from analysis.model import Model

REPOSITORY = "owner/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


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
            self.send(
                hub.files[path.split(f"/{COMMIT}/")[1]], weights=path.endswith(".safetensors")
            )
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


def threads_of_downloads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "download"]


def test_a_stopped_download_ends_and_the_next_one_goes_through(hub: Hub) -> None:
    events = load(REPOSITORY, catalog=Catalog(), cache=ModelCache(2**30))
    for event in events:
        if isinstance(event, Progress) and 0 < event.done < event.total:
            break
    running = threads_of_downloads()
    assert len(running) == 1
    events.close()  # type: ignore[attr-defined]
    hub.go_on.set()
    running[0].join(20)
    assert not running[0].is_alive()
    assert Catalog().find(REPOSITORY).path is None
    assert isinstance(download()[-1], ModelLoaded)


def test_two_downloads_count_for_themselves() -> None:
    first, second = Bytes.of_one_download(), Bytes.of_one_download()
    bar = first(total=10, unit="B")
    bar.update(4)
    assert (first.counted(), second.counted()) == ((4, 10), (0, 0))
    first.stopped.set()
    with pytest.raises(DownloadStopped):
        bar.update(1)
    second(total=3, unit="B").update(1)
    assert second.counted() == (1, 3)


def test_of_a_pipeline_only_its_parts_are_downloaded(
    hub: Hub, every: Callable[[str], Model]
) -> None:
    hub.go_on.set()
    path = every("flux").path
    files = {f.relative_to(path).as_posix(): f for f in path.rglob("*") if f.is_file()}
    hub.files = {name: file.read_bytes() for name, file in files.items()}
    weights = hub.files["transformer/diffusion_pytorch_model.safetensors"]
    hub.files["transformer/diffusion_pytorch_model.fp16.safetensors"] = weights
    hub.files["flux1.safetensors"] = weights
    hub.files["README.md"] = b"# Flux"
    info = download()[-1]
    assert isinstance(info, ModelLoaded)
    assert info.info.capabilities == ["text_to_image"]
    entry = Catalog().find(REPOSITORY)
    assert entry.path is not None
    kept = {f.relative_to(entry.path).as_posix() for f in entry.path.rglob("*") if f.is_file()}
    assert kept == {*files, "README.md"}
