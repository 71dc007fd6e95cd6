"""Where the landmark model is looked for; a short stand-in file plays the model."""

import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from faceml.config.config_error import ConfigError
from faceml.landmarks import model_bundle
from faceml.landmarks.model_bundle import BUNDLE_NAME, file_sha256, find_model_bundle

CONTENT = bytes(range(256)) * 1000


class Download(http.server.BaseHTTPRequestHandler):
    """Serves the stand-in whole, or fails in the way that the address says."""

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path != "/no-length":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if self.path == "/whole" else CONTENT[:70_000])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Download) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Know the stand-in by its hash; no package has it, nothing answers at the download address."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setattr(model_bundle, "BUNDLE_SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(model_bundle, "BUNDLE_PACKAGES", ())
    monkeypatch.setattr(model_bundle, "BUNDLE_URL", f"http://127.0.0.1:{port}/nobody")
    monkeypatch.setenv("FACEML_CACHE", str(tmp_path / "cache"))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def install_package(monkeypatch: pytest.MonkeyPatch, folder: Path, content: bytes = CONTENT) -> Path:
    """Make a package that carries the file, and one that should but does not."""
    put(folder / "site" / "package_without" / "__init__.py", b"")
    put(folder / "site" / "package_with" / "__init__.py", b"raise SystemExit('it need not be imported')")
    monkeypatch.syspath_prepend(folder / "site")
    packages = ("not_installed", "package_without", "package_with")
    inside = Path("models") / BUNDLE_NAME
    monkeypatch.setattr(model_bundle, "BUNDLE_PACKAGES", tuple((name, inside) for name in packages))
    return put(folder / "site" / "package_with" / inside, content)


def test_find_model_bundle__tries_the_places_in_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    monkeypatch.setattr(model_bundle, "BUNDLE_URL", f"{address}/whole")
    configured, cached = put(tmp_path / "mine.task"), put(tmp_path / "cache" / BUNDLE_NAME)
    packaged = install_package(monkeypatch, tmp_path)
    assert find_model_bundle(configured) == configured
    assert find_model_bundle() == cached
    cached.unlink()
    assert find_model_bundle() == packaged
    packaged.unlink()
    assert find_model_bundle() == cached, "downloaded into the cache"
    assert cached.read_bytes() == CONTENT


def test_find_model_bundle__downloads_once_and_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    monkeypatch.setattr(model_bundle, "BUNDLE_URL", f"{address}/whole")
    found = find_model_bundle(cache=tmp_path / "other")
    assert found == tmp_path / "other" / BUNDLE_NAME
    assert list((tmp_path / "other").iterdir()) == [found]
    monkeypatch.setattr(model_bundle, "BUNDLE_URL", f"{address}/missing")
    assert find_model_bundle(cache=tmp_path / "other") == found


@pytest.mark.parametrize("path", ["/interrupted", "/no-length", "/missing"])
def test_find_model_bundle__a_failed_download_leaves_nothing_and_names_the_choices(
    path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    monkeypatch.setattr(model_bundle, "BUNDLE_URL", address + path)
    assert_names_the_choices(tmp_path)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_find_model_bundle__an_unreachable_address_names_the_choices(tmp_path: Path) -> None:
    assert_names_the_choices(tmp_path)


def test_find_model_bundle__a_server_that_speaks_no_http_names_the_choices(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(model_bundle, "BUNDLE_URL", f"http://127.0.0.1:{server.getsockname()[1]}/")

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-server\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert_names_the_choices(tmp_path)
        thread.join()


def test_find_model_bundle__a_cache_that_cannot_be_written_names_the_choices(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    monkeypatch.setattr(model_bundle, "BUNDLE_URL", f"{address}/whole")
    put(tmp_path / "cache", b"a file where the folder should be")
    assert_names_the_choices(tmp_path)


def assert_names_the_choices(folder: Path) -> None:
    with pytest.raises(ConfigError) as error:
        find_model_bundle()
    text = str(error.value)
    assert text.startswith("landmarker.model_path: ")
    assert "\n" not in text
    for choice in (
        "faceml[landmark-model]",
        str(folder / "cache" / BUNDLE_NAME),
        "set landmarker.model_path",
    ):
        assert choice in text


def test_find_model_bundle__another_file_is_refused_wherever_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    right = put(tmp_path / "right.task")
    other = put(tmp_path / "cache" / BUNDLE_NAME, b"another model")
    packaged = install_package(monkeypatch, tmp_path, b"another model")
    found, wanted = hashlib.sha256(b"another model").hexdigest()[:12], file_sha256(right)[:12]
    for configured, path, place in (
        (other, other, "landmarker.model_path"),
        (None, other, "the cached landmark model"),
        (None, packaged, "the landmark model of an installed package"),
    ):
        with pytest.raises(ConfigError) as error:
            find_model_bundle(configured)
        assert str(error.value).startswith(f"{place}: {path} has SHA-256 {found}…, not {wanted}…")
        if path == other and configured is None:
            other.unlink()


def test_find_model_bundle__a_missing_configured_file_is_named_though_others_exist(tmp_path: Path) -> None:
    put(tmp_path / "cache" / BUNDLE_NAME)
    with pytest.raises(ConfigError, match=r"^landmarker\.model_path: no such file: .*gone\.task"):
        find_model_bundle(tmp_path / "gone.task")


def test_bundle_sha256__is_that_of_the_real_model(model_bundle: Path) -> None:
    assert file_sha256(model_bundle) == "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
