"""Comparison of a table with the folders of several sources."""

import logging
from pathlib import Path
from typing import Any

import pytest

from faceml.config.config_error import ConfigError
from faceml.config.extract import ExtractConfig
from faceml.config.loading import parse_config
from faceml.extraction.comparison import TableDiff
from faceml.extraction.file_lists import ShardFiles
from faceml.extraction.plan import write_plan
from faceml.storage.folder import StorageFolder
from faceml.storage.roots import StorageRoots
from faceml.tables.landmark_table import write_shard
from ray_jobs.tables.extraction_job import build_extraction_job, build_table_schema
from ray_jobs.tables.table_diff import compute_diff, log_deleted


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """Folders of three sources with ten, six and two images."""
    for source, number in (("one", 10), ("two", 6), ("three", 2)):
        for image in range(number):
            file = tmp_path / source / "0" / f"{image:02}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    return {source: str(tmp_path / source) for source in ("one", "two", "three")}


def config(root: Any, tmp_path: Path, **output: Any) -> ExtractConfig:
    plain = {"data": {"root": root}, "output": {"table": str(tmp_path / "table"), **output}}
    return parse_config(ExtractConfig, plain)


def write_table(config: ExtractConfig) -> None:
    """Write a table with a row for each image of a configuration."""
    roots = StorageRoots(config.data.root)
    rows = [
        {"image_id": file.path, "folder": "0", "source": roots.split(file.path)[0], "status": "empty_file",
         "file_bytes": file.num_bytes, "modified_ns": file.modified_ns}
        for file in roots.walk()
    ]  # fmt: skip
    write_shard(rows, build_table_schema(config), Path(config.output.table) / "a.parquet")


def diff_of(config: ExtractConfig) -> TableDiff:
    job = build_extraction_job(config)
    scratch = Path(config.output.table).with_name("scratch")
    scratch.mkdir(exist_ok=True)
    diff = compute_diff(job, scratch)
    log_deleted(job, diff)
    return diff


def test_compute_diff__of_a_source_that_is_added(places: dict[str, str], tmp_path: Path) -> None:
    write_table(config({name: places[name] for name in ("two", "three")}, tmp_path))
    diff = diff_of(config(places, tmp_path))
    assert diff.new.read()["image_id"].to_pylist() == [f"one/0/{image:02}.jpg" for image in range(10)]
    assert (diff.num_deleted, diff.stale.num_shards, diff.empty) == (0, 0, [])


@pytest.mark.parametrize("on_change", ["report", "re-extract"])
def test_compute_diff__of_a_source_that_is_left_out(
    on_change: str, places: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_table(config(places, tmp_path))
    fewer = {name: places[name] for name in ("two", "three")}
    diff = diff_of(config(fewer, tmp_path, on_change=on_change))
    assert diff.num_deleted == 10  # of 18, but those of the other sources are all there
    assert bool(diff.stale.num_shards) == (on_change == "re-extract")
    effect = "dropped" if on_change == "re-extract" else "kept"
    assert caplog.messages == [
        f"data.root.one is not set, but the table has 10 images of this source; their rows are {effect}."
    ]


def test_compute_diff__of_a_source_that_is_left_out_of_an_interrupted_extraction(
    places: dict[str, str], tmp_path: Path
) -> None:
    both = config(places, tmp_path)
    listing = diff_of(both).new.read()
    # b has files of two alone
    shards = [ShardFiles("a.parquet", listing.slice(0, 12)), ShardFiles("b.parquet", listing.slice(12))]
    table = StorageFolder(both.output.table)
    write_plan([("new", shards)], table, build_table_schema(both), tmp_path)
    assert diff_of(both).num_to_extract == 18
    fewer = diff_of(config({"one": places["one"]}, tmp_path))
    unfinished = {name: files.num_rows for name, files in fewer.plan.unfinished.shards()}
    assert unfinished == {"a.parquet": 10}
    assert fewer.num_to_extract == 10


def test_compute_diff__another_folder_of_a_source_is_refused(
    places: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_table(config(places, tmp_path))
    Path(places["one"], "0", "03.jpg").unlink()
    with caplog.at_level(logging.WARNING):
        diff_of(config(places, tmp_path))
    assert caplog.messages == ["1 images of the table no longer exist; their rows are kept: one/0/03.jpg"]
    with pytest.raises(ConfigError, match=r"has 4 images that are not below data\.root\.two .*/three, such"):
        diff_of(config({**places, "two": places["three"]}, tmp_path))
    Path(places["one"], "0", "00.jpg").rename(tmp_path / "00.jpg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"^data\.root\.two: no images below .*/empty"):
        diff_of(config({**places, "two": str(tmp_path / "empty")}, tmp_path))


def test_compute_diff__a_table_of_one_folder_takes_no_sources(places: dict[str, str], tmp_path: Path) -> None:
    write_table(config(places["one"], tmp_path))
    with pytest.raises(ConfigError, match=r"data\.root is None there and 'folders by source' here"):
        diff_of(config(places, tmp_path))
    assert diff_of(config(places["one"], tmp_path)).num_to_extract == 0
