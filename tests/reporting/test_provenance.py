"""Facts on the data of a run."""

from pathlib import Path

from faceml.config.loading import parse_config
from faceml.config.train import DataConfig
from faceml.reporting.provenance import data_fact, training_data_facts
from faceml.runs.run_folder import RunFolder
from faceml.runs.training_data import digest_data, write_digests
from faceml.tables.digests import content_digest
from faceml.tables.selection import TableSelection
from tests.tables.test_digests import table_of_contents


def test_data_fact__names_place_and_digest(tmp_path: Path) -> None:
    table = table_of_contents(tmp_path / "a", {"0/a.jpg": b"one"})
    unknown = table_of_contents(tmp_path / "b", {"0/a.jpg": None})
    label = "SHA-256 of its images at report time:"
    assert data_fact("training table", table) == (
        "training table",
        f"{table}; {label} {content_digest(table)}",
    )
    assert data_fact("validation table", unknown) == ("validation table", f"{unknown}; {label} unknown")


def test_training_data_facts__have_the_digests_of_the_start(tmp_path: Path) -> None:
    splits = {
        split: {"table": table_of_contents(tmp_path / split, {"0/a.jpg": split.encode()}).table}
        for split in ("train", "val")
    }
    data = parse_config(DataConfig, splits)
    run = RunFolder(tmp_path / "run")
    write_digests(digest_data(data, run), run)
    train_split = TableSelection(data.train.table)
    at_start = content_digest(train_split)
    table_of_contents(tmp_path / "train", {"0/a.jpg": b"another"})
    (_, train), _ = training_data_facts("Training", data, run.path)
    assert train == f"{data.train.table}; SHA-256 of its images at the start: {at_start}"
    (_, train), _ = training_data_facts("Training", data, tmp_path / "older")
    assert train.endswith(f"at report time: {content_digest(train_split)}")
