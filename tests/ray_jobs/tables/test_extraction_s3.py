"""Extractions with images and table in an object store, through an S3 API."""

from itertools import count
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from faceml.config.extract import ExtractConfig
from faceml.config.loading import load_config
from faceml.storage.folder import StorageFolder
from faceml.tables.sorted_rows import read_table
from ray_jobs.tables import extraction
from tests.flaky_store import Fault, FlakyStore

CONFIG = Path("configs/extract_landmarks.yaml")
COLUMNS = ["status", "landmarks_5", "landmarks_10", "yaw_deg", "content_sha256", "dhash"]


def test_extract__from_a_store_into_a_store_gives_the_table_of_a_folder(
    s3_server: str,
    faces: Path,
    tables: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = pafs.S3FileSystem(
        endpoint_override=s3_server, scheme="http", region="us-east-1", allow_bucket_creation=True
    )
    store.create_dir("faces")
    pafs.copy_files(str(faces / "val"), "faces/val", destination_filesystem=store)
    number, put = count(1), list[str]()

    def fault_of(method: str, path: str) -> Fault | None:
        if method == "PUT":
            put.append(path.partition("?")[0])
        turn = next(number)
        return "slow_down" if turn % 17 == 0 else "drop" if turn % 19 == 0 else None

    with FlakyStore(s3_server, fault_of) as flaky:
        place = f"?endpoint_override={flaky.endpoint}&scheme=http&region=us-east-1"
        settings = [f"data.root=s3://faces/val{place}", f"output.table=s3://faces/table{place}"]
        settings.append("landmarker.actors=1")  # a second one starts for longer than it would work
        monkeypatch.setenv("FACEML_CACHE", str(tmp_path))
        summary, _ = extraction.run(load_config(ExtractConfig, CONFIG, settings))
        assert (summary.by_status["ok"], summary.new_images) == (32, 32)
        assert len(flaky.requests) > 40
        assert put[-1] == "/faces/table_run/report.html"
        put.clear()
        summary, _ = extraction.run(load_config(ExtractConfig, CONFIG, settings))
        assert (summary.by_status["ok"], summary.new_images) == (32, 0)
        assert not put, "there is nothing new to say"
    place = f"?endpoint_override={s3_server}&scheme=http&region=us-east-1"
    rows = read_table(f"s3://faces/table{place}", COLUMNS)
    assert rows.to_pylist() == read_table(tables / "val", COLUMNS).to_pylist()
    assert all(name.startswith("part-") for name in StorageFolder(f"s3://faces/table{place}").files())
    run = StorageFolder(f"s3://faces/table_run{place}")
    assert run.files() == ["config.yaml", "quality.json", "report.html", "summary.json"]
