"""The process that trains a trial, with its folder in a store."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faceml.runs.trial_folder import Outcome, TrialFolder
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below


def save(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("training_state.pt", "model.pt"):
        (folder / name).write_bytes(name.encode())


def files_in(place: str) -> list[str]:
    return sorted(file.path.partition(".tfevents")[0] for file in StorageFolder(place).walk())


@pytest.fixture
def place(s3_uri: Callable[..., str]) -> str:
    return place_below(s3_uri(), "trials", "naive_seed_0")


def test_open__in_a_store_brings_each_epoch_there_and_goes_on_elsewhere(place: str) -> None:
    folder = TrialFolder(place)
    folder.begin({"seed": 1})
    with folder.open() as opened:
        (opened.path / "config.yaml").write_text("seed: 1")
        for epoch in (1, 2):
            opened.add_epoch(epoch, {"val/accuracy": epoch / 10}, {})
            assert [record["epoch"] for record in folder.records] == list(range(1, epoch + 1))
            folder.save_checkpoint(save)
        assert folder.checkpoint == place_below(place, "checkpoint")
        path = opened.path
    assert not path.exists()
    names = ["config.yaml", "events.out", "metrics.jsonl", "settings.json"]
    assert files_in(place) == ["checkpoint/training_state.pt", *names], (
        "a trial goes on from no more than that"
    )
    with TrialFolder(place).open() as opened:
        assert opened.path != path
        opened.add_epoch(2, {"val/accuracy": 0.5}, {})
        (opened.path / "pairs.parquet").write_bytes(b"pairs")
    assert [record["val/accuracy"] for record in folder.records] == [0.1, 0.5]
    assert folder.content("pairs.parquet") == b"pairs"
    folder.end(Outcome())
    assert files_in(place) == [
        *names[:1],
        "events.out",
        *names[1:3],
        "outcome.json",
        "pairs.parquet",
        names[3],
    ]


def test_open__of_a_local_folder_works_in_it(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path / "trial_00000")
    with folder.open() as opened:
        assert opened.path == tmp_path / "trial_00000"
        opened.add_epoch(1, {"val/accuracy": 0.5}, {})
        folder.save_checkpoint(save)
    assert sorted(file.name for file in (opened.path / "checkpoint").iterdir()) == [
        "model.pt",
        "training_state.pt",
    ]
