import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from threading import Lock
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceml.config.config_error import ConfigError
from faceml.storage import stores
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from tests.flaky_store import Fault, FlakyStore
from tests.storage.conftest import Unprivileged


def make(root: Path, *names: str) -> StorageFolder:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return StorageFolder(root)


def walked(folder: StorageFolder, follow_links: bool = False) -> list[str]:
    return sorted(file.path for file in folder.walk(follow_links))


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> StorageFolder:
    """A folder that is not there yet, of either kind."""
    if request.param == "local":
        return StorageFolder(tmp_path / "table")
    return StorageFolder(request.getfixturevalue("s3_uri")())


def test_storage_folder__writes_reads_lists_and_deletes(folder: StorageFolder) -> None:
    assert (folder.exists(), folder.files(), folder.has("a.jpg")) == (False, [], False)
    for name in ("b.parquet", "a.jpg", "0/happy/ü +#?%.jpg", ".plan.parquet", "0/.hidden/c.jpg"):
        folder.write(name, name.encode())
    folder.write("empty.jpg", b"")
    folder.write("a.jpg", b"replaced")
    assert folder.exists()
    assert (folder.has(".plan.parquet"), folder.has("0"), folder.has("0/b.jpg")) == (True, False, False)
    assert folder.files() == ["a.jpg", "b.parquet", "empty.jpg"]
    assert folder.files(".parquet") == ["b.parquet"]
    assert folder.read("a.jpg") == b"replaced"
    assert folder.read("0/happy/ü +#?%.jpg") == "0/happy/ü +#?%.jpg".encode()
    assert folder.read("empty.jpg") == b""
    assert walked(folder) == ["0/happy/ü +#?%.jpg", "a.jpg", "b.parquet", "empty.jpg"]
    folder.delete("a.jpg")
    folder.delete("a.jpg")
    assert not folder.has("a.jpg")
    assert folder.files() == ["b.parquet", "empty.jpg"]


def test_storage_folder__walk_says_size_and_time(folder: StorageFolder) -> None:
    before_s = time.time()
    folder.write("0/a.jpg", b"12345")
    (file,) = folder.walk()
    assert (file.path, file.num_bytes) == ("0/a.jpg", 5)
    assert abs(file.modified_ns / 1e9 - before_s) < 60


def test_storage_folder__pickles_and_opens_its_store_again(folder: StorageFolder) -> None:
    folder.write("a.jpg", b"face")
    again = pickle.loads(pickle.dumps(folder))
    assert (again.uri, again.is_local, again.read("a.jpg")) == (folder.uri, folder.is_local, b"face")


def test_storage_folder__a_forked_process_opens_its_store_again(s3_uri: Callable[..., str]) -> None:
    folder = StorageFolder(s3_uri())
    opened = weakref.ref(folder.filesystem)
    assert folder.filesystem is opened()

    def child() -> None:
        again = folder.filesystem
        is_kept = opened() is not None  # its destructor would wait for threads of the parent
        sys.exit(0 if is_kept and again is not opened() else 1)

    process = get_context("fork").Process(target=child)
    process.start()
    process.join(30)
    assert process.exitcode == 0


def test_storage_folder__holds_parquet_files_that_pyarrow_reads(folder: StorageFolder) -> None:
    table = pa.table({"image_id": ["0/a.jpg", "1/b.jpg"], "yaw_deg": pa.array([1.5, None], pa.float32())})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    folder.write("part.parquet", sink.getvalue())
    files = [f"{folder.path}/{name}" for name in folder.files(".parquet")]
    assert pq.read_table(files, filesystem=folder.filesystem) == table


def test_read__checks_the_size_first(folder: StorageFolder) -> None:
    folder.write("a.jpg", b"12345")
    assert folder.read("a.jpg", max_bytes=4) == "too_large"
    assert folder.read("a.jpg", max_bytes=5) == b"12345"


@pytest.mark.parametrize(
    "path",
    [
        "gone.jpg",
        "0",
        "0/gone.jpg",
        "a.jpg/b.jpg",
        "",
        "..",
        "0/../a.jpg",
        "0//a.jpg",
        "./a.jpg",
        "0/",
        "a\0",
    ],
)
def test_read__what_is_no_file_below_the_folder_is_unreadable(folder: StorageFolder, path: str) -> None:
    folder.write("a.jpg", b"face")
    folder.write("0/a.jpg", b"face")
    assert folder.read(path) == "unreadable"


def test_read__no_absolute_path_leaves_the_folder(tmp_path: Path) -> None:
    folder = make(tmp_path / "faces", "a.jpg")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    assert folder.read(str(tmp_path / "secret.jpg")) == "unreadable"
    assert folder.read("../secret.jpg") == "unreadable"
    with pytest.raises(ValueError, match="not a path below"):
        folder.write("../secret.jpg", b"overwritten")


def test_read__links_lead_out_of_the_folder_only_if_told_to(tmp_path: Path) -> None:
    make(tmp_path / "faces-too", "secret.jpg")
    folder = make(tmp_path / "faces", "0/a.jpg")
    (tmp_path / "faces/1").mkdir()
    (tmp_path / "faces/1/inside.jpg").symlink_to("../0/a.jpg")
    (tmp_path / "faces/2").symlink_to("0")
    (tmp_path / "faces/1/outside.jpg").symlink_to("../../faces-too/secret.jpg")
    (tmp_path / "faces/3").symlink_to(tmp_path / "faces-too")
    (tmp_path / "faces/dangling.jpg").symlink_to("nowhere")
    (tmp_path / "faces/itself.jpg").symlink_to("itself.jpg")
    assert folder.read("1/inside.jpg") == folder.read("2/a.jpg") == b"0/a.jpg"
    for outside in ("1/outside.jpg", "3/secret.jpg"):
        assert folder.read(outside) == "unreadable"
        assert folder.read(outside, follow_links=True) == b"secret.jpg"
    for broken in ("dangling.jpg", "itself.jpg"):
        assert folder.read(broken) == folder.read(broken, follow_links=True) == "unreadable"
    listed = {file.path: (file.num_bytes, file.modified_ns > 0) for file in folder.walk()}
    assert listed == {
        "0/a.jpg": (7, True),
        "1/inside.jpg": (7, True),
        "1/outside.jpg": (10, True),
        "dangling.jpg": (0, False),
        "itself.jpg": (0, False),
    }


def test_read__a_folder_that_is_itself_a_link_is_read(tmp_path: Path) -> None:
    make(tmp_path / "faces", "a.jpg")
    (tmp_path / "link").symlink_to("faces")
    assert StorageFolder(tmp_path / "link").read("a.jpg") == b"a.jpg"
    assert walked(StorageFolder(tmp_path / "link")) == ["a.jpg"]


def test_read__never_waits_for_a_pipe_or_a_device(tmp_path: Path) -> None:
    folder = make(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.jpg"))
        for name in walked(folder):
            assert folder.read(name, follow_links=True) == "unreadable"
    assert len(walked(folder)) == 3


def test_read__a_file_without_permission_is_unreadable(shared_tmp: Path, unprivileged: Unprivileged) -> None:
    folder = make(shared_tmp, "a.jpg", "b.jpg")
    (shared_tmp / "a.jpg").chmod(0o000)
    with unprivileged():
        assert folder.read("a.jpg") == "unreadable"
        assert folder.read("b.jpg") == b"b.jpg"


def test_read__no_file_is_blamed_when_the_whole_folder_is_gone(tmp_path: Path) -> None:
    folder = make(tmp_path / "faces", "a.jpg")
    assert folder.read("a.jpg") == b"a.jpg"
    (tmp_path / "faces").rename(tmp_path / "unmounted")
    with pytest.raises(FileNotFoundError):
        folder.read("a.jpg")


def test_walk__a_folder_that_cannot_be_listed_is_an_error(
    shared_tmp: Path, unprivileged: Unprivileged
) -> None:
    folder = make(shared_tmp, "0/a.jpg", "1/b.jpg")
    (shared_tmp / "1").chmod(0o300)
    with (
        unprivileged(),
        pytest.raises(ConfigError, match=f"{shared_tmp}/1: cannot be listed.*Permission"),
    ):
        list(folder.walk())
    with pytest.raises(ConfigError, match=r"gone: cannot be listed.*No such file"):
        list(StorageFolder(shared_tmp / "gone").walk())


def test_walk__lists_what_is_hidden_if_told_to(tmp_path: Path) -> None:
    for name in ("a", ".b/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert {file.path for file in StorageFolder(tmp_path).walk(hidden=True)} == {"a", ".b/c"}


def test_walk__files_that_may_not_be_asked_for_their_size_are_listed(
    shared_tmp: Path, unprivileged: Unprivileged
) -> None:
    folder = make(shared_tmp, "0/a.jpg", "1/b.jpg")
    (shared_tmp / "0").chmod(0o744)
    with unprivileged():
        listed = {file.path: file.num_bytes for file in folder.walk()}
        assert listed == {"0/a.jpg": 0, "1/b.jpg": 7}
        assert folder.read("0/a.jpg") == "unreadable"


def test_walk__links_are_followed_once_and_never_in_a_loop(tmp_path: Path) -> None:
    make(tmp_path / "elsewhere", "deep/e.jpg")
    folder = make(tmp_path / "faces", "1/a.jpg", "1/2/b.jpg")
    (tmp_path / "faces/0").symlink_to("1")
    (tmp_path / "faces/1/2/up").symlink_to(tmp_path / "faces")
    (tmp_path / "faces/1/out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "faces/1/again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/deep/back").symlink_to(tmp_path / "faces")
    assert walked(folder) == ["1/2/b.jpg", "1/a.jpg"]
    assert walked(folder, follow_links=True) == ["1/2/b.jpg", "1/a.jpg", "1/again/deep/e.jpg"]


def test_walk__of_100_000_files_in_one_folder_is_quick_and_holds_few_at_once(shared_tmp: Path) -> None:
    for number in range(100_000):
        os.mknod(shared_tmp / f"{number}.jpg")
    started_s = time.monotonic()
    count = sum(1 for _ in StorageFolder(shared_tmp).walk())
    assert count == 100_000
    assert time.monotonic() - started_s < 5, "it takes 0.6 s on an idle core"
    tracemalloc.start()
    for _ in islice(StorageFolder(shared_tmp).walk(), 20_000):
        pass
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1e6


def test_walk__a_name_that_is_not_utf8_never_stands_twice(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    (tmp_path / os.fsdecode(b"caf\xe9/a.jpg")).touch()
    folder = StorageFolder(tmp_path)
    assert walked(folder) == ["caf\\xe9/a.jpg"]
    assert folder.read("caf\\xe9/a.jpg") == "unreadable"
    make(tmp_path, "caf\\xe9/a.jpg")
    assert walked(folder) == ["caf\\xe9/a.jpg"]


def test_sweep_partial__removes_what_a_killed_writer_left(tmp_path: Path) -> None:
    folder = make(
        tmp_path, "a.parquet", ".b.parquet.0123.partial", ".hidden", "c.partial", "0/.d.jpg.4.partial"
    )
    assert folder.sweep_partial() == [".b.parquet.0123.partial"]
    assert walked(folder) == ["a.parquet", "c.partial"]
    assert (tmp_path / ".hidden").exists()
    assert StorageFolder(tmp_path / "gone").sweep_partial() == []


@pytest.mark.parametrize("place", ["{}/with space", "file://{}/with%20space"])
def test_storage_folder__takes_paths_and_file_uris(tmp_path: Path, place: str) -> None:
    folder = StorageFolder(place.format(tmp_path))
    assert (folder.uri, folder.path, folder.is_local) == (f"{tmp_path}/with space",) * 2 + (True,)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("ftp://host/faces", r"no file system is called 'ftp'.*s3://, gs://"),
        ("s3://faces/a?endpoint=localhost:9000", "unknown parameter or value. Allowed .* endpoint_override"),
        ("s3://key:secret@faces/a", "AWS_ACCESS_KEY_ID"),
        ("s3:///faces", "s3://bucket/folder"),
    ],
)
def test_storage_folder__a_uri_that_is_not_understood_is_refused(uri: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StorageFolder(uri)


def test_storage_folder__opens_a_container_of_an_account() -> None:
    assert StorageFolder("abfss://faces@account.dfs.core.windows.net/a/b").path == "faces/a/b"


def test_s3__throttling_and_dropped_connections_are_ridden_out(
    s3_server: str, s3_uri: Callable[..., str]
) -> None:
    direct = StorageFolder(s3_uri())
    direct.write("0/a.jpg", bytes(range(256)) * 1000)
    faults: list[Fault] = ["slow_down", "slow_down", "slow_down", "drop", "drop", "drop"]
    halved: list[Fault] = ["drop_halfway"]
    lock = Lock()

    def fault_of(method: str, path: str) -> Fault | None:
        with lock:
            if faults:
                return faults.pop(0)
            return halved.pop() if halved and method == "GET" and path.endswith("a.jpg") else None

    with FlakyStore(s3_server, fault_of) as store, ThreadPoolExecutor(3) as threads:
        folder = StorageFolder(s3_uri(store.endpoint))
        data = threads.submit(folder.read, "0/a.jpg")
        listed = threads.submit(walked, folder)
        written = threads.submit(folder.write, "part.parquet", b"rows")
        assert data.result() == bytes(range(256)) * 1000
        assert "0/a.jpg" in listed.result()
        assert written.result() is None
    assert not faults + halved, "all faults have been met"
    assert direct.read("part.parquet") == b"rows"


@pytest.mark.parametrize("fault", ["slow_down", "drop"])
def test_s3__an_outage_stops_the_job_and_becomes_no_row(
    s3_server: str, s3_uri: Callable[..., str], fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "S3_MAX_ATTEMPTS", 2)  # of which each waits longer
    with FlakyStore(s3_server, lambda method, path: fault) as store:
        folder = StorageFolder(s3_uri(store.endpoint))
        jobs: list[Callable[[], object]] = [
            lambda: folder.read("a.jpg"),
            lambda: list(folder.walk()),
            lambda: folder.write("a", b"rows"),
        ]
        started_s = time.monotonic()
        with ThreadPoolExecutor(len(jobs)) as threads:
            errors = [job.exception() for job in [threads.submit(job) for job in jobs]]
        assert [type(error) for error in errors] == [OSError] * 3
        assert time.monotonic() - started_s < 20


def test_s3__nothing_is_listening(s3_uri: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "S3_MAX_ATTEMPTS", 2)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        folder = StorageFolder(s3_uri(f"127.0.0.1:{unused.getsockname()[1]}"))
        with pytest.raises(OSError, match="NETWORK_CONNECTION"):
            folder.read("a.jpg")


def test_s3__an_object_without_permission_is_unreadable(s3_server: str, s3_uri: Callable[..., str]) -> None:
    StorageFolder(s3_uri()).write("secret.jpg", b"face")
    with FlakyStore(s3_server, lambda method, path: "denied" if "secret" in path else None) as store:
        folder = StorageFolder(s3_uri(store.endpoint))
        assert folder.read("secret.jpg") == "unreadable"
        with pytest.raises(ConfigError, match=r"secret-too: cannot be written.*ACCESS_DENIED"):
            folder.write("secret-too", b"rows")


def test_s3__keys_that_expire_stop_the_job_and_become_no_row(
    s3_server: str, s3_uri: Callable[..., str]
) -> None:
    StorageFolder(s3_uri()).write("a.jpg", b"face")
    with FlakyStore(s3_server, lambda method, path: "denied") as store:
        folder = StorageFolder(s3_uri(store.endpoint))
        with pytest.raises(ConfigError, match=r"cannot be opened\. Check your keys.*ACCESS_DENIED"):
            folder.read("a.jpg")
        with pytest.raises(ConfigError, match=r"cannot be listed.*ACCESS_DENIED"):
            list(folder.walk())


def test_s3__an_object_that_goes_while_it_is_read_is_unreadable(
    s3_server: str, s3_uri: Callable[..., str]
) -> None:
    direct = StorageFolder(s3_uri())
    direct.write("a.jpg", b"face")

    def delete_before_read(method: str, path: str) -> None:
        if method == "GET" and path.endswith("a.jpg"):
            direct.delete("a.jpg")

    with FlakyStore(s3_server, delete_before_read) as store:
        assert StorageFolder(s3_uri(store.endpoint)).read("a.jpg") == "unreadable"
        assert "GET" in store.requests


def test_s3__a_small_file_is_written_with_one_request(s3_server: str, s3_uri: Callable[..., str]) -> None:
    with FlakyStore(s3_server, lambda method, path: None) as store:
        StorageFolder(s3_uri(store.endpoint)).write("part.parquet", bytes(10**6))
        assert store.requests == ["PUT"]


def test_s3__a_writer_that_is_killed_leaves_nothing_to_be_seen(
    s3_server: str, s3_uri: Callable[..., str]
) -> None:
    parts: list[str] = []
    writers: list[subprocess.Popen[bytes]] = []

    def kill_at_the_second_part(method: str, path: str) -> None:
        if "partNumber" in path:
            parts.append(path)
            if len(parts) == 2:
                writers[0].kill()

    with FlakyStore(s3_server, kill_at_the_second_part) as store:
        write = f"StorageFolder({s3_uri(store.endpoint)!r}).write('part.parquet', bytes(30 * 10**6))"
        program = f"from faceml.storage.folder import StorageFolder; {write}"
        writers.append(subprocess.Popen([sys.executable, "-c", program]))
        assert writers[0].wait(60) == -signal.SIGKILL
    assert StorageFolder(s3_uri()).files() == []


def test_s3__a_bucket_or_folder_that_is_not_there(s3_server: str, s3_uri: Callable[..., str]) -> None:
    missing = StorageFolder(
        f"s3://no-such-bucket/a?endpoint_override={s3_server}&scheme=http&region=us-east-1"
    )
    assert not missing.exists()
    with pytest.raises(ConfigError, match=r"no-such-bucket/a: cannot be listed.*NO_SUCH_BUCKET"):
        list(missing.walk())
    with pytest.raises(ConfigError, match="train set: cannot be listed"):
        list(StorageFolder(s3_uri()).walk())


def test_s3__names_with_two_slashes_are_refused_rather_than_lost(
    s3_server: str, s3_uri: Callable[..., str]
) -> None:
    folder = StorageFolder(s3_uri())
    folder.write("0/a.jpg", b"face")
    server = HTTPConnection(s3_server)
    server.request("PUT", quote(f"/{folder.path}/0//b.jpg"), b"face")
    assert server.getresponse().status == 200
    with pytest.raises(ConfigError, match=r"train set/0: has names with `//`"):
        list(folder.walk())


@pytest.fixture(params=["path", "uri"])
def place(request: pytest.FixtureRequest, tmp_path: Path, s3_uri: Callable[..., str]) -> str:
    return str(tmp_path / "runs") if request.param == "path" else s3_uri()


def test_folders__are_sorted_and_without_what_is_hidden(place: str) -> None:
    folder = StorageFolder(place)
    assert folder.folders() == []
    for path in ("trials/b/settings.json", "trials/a+1/deep/model.pt", "trials/.ray/x", "trials/file"):
        folder.write(path, b"content")
    assert StorageFolder(place_below(place, "trials")).folders() == ["a+1", "b"]
    assert folder.folders() == ["trials"]


def test_remove__takes_all_that_is_in_it_and_nothing_beside_it(place: str) -> None:
    folder = StorageFolder(place)
    for path in ("a/checkpoint/model.pt", "a/checkpoint/deep/x", "a/checkpoint.txt", "a/checkpoints/x"):
        folder.write(path, b"content")
    for _ in range(2):
        StorageFolder(place_below(place, "a", "checkpoint")).remove()
    assert sorted(file.path for file in folder.walk()) == ["a/checkpoint.txt", "a/checkpoints/x"]
    StorageFolder(place_below(place, "a", "checkpoints")).remove()
    assert StorageFolder(place_below(place, "a")).files() == ["checkpoint.txt"]


def test_read_json__is_none_where_there_is_no_file(s3_uri: Callable[..., str]) -> None:
    folder = StorageFolder(s3_uri())
    assert folder.read_json("summary.json") is None
    folder.write("summary.json", '{"größe": [1, null]}'.encode())
    assert folder.read_json("summary.json") == {"größe": [1, None]}
    assert folder.read_json("other.json") is None
