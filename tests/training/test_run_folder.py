import json
import math
from pathlib import Path

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from faceml.metrics.confusion import ConfusionMatrix
from faceml.run_files import METRICS_FILE, read_metrics
from faceml.training.run_folder import RunFolder

CONFUSION = ConfusionMatrix(np.array([[3, 1], [0, 2]]))
TOLD = {"val/confusion_matrix": [[3, 1], [0, 2]]}


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / METRICS_FILE).read_text().splitlines()]


def test_run_folder__keeps_one_record_for_each_epoch(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "new" / "run") as run:
        assert run.records == []
        run.add(1, {"train/loss": 0.5}, CONFUSION)
        run.add(2, {"train/loss": 0.25, "val/accuracy": 1.0}, CONFUSION)
    expected = [
        {"epoch": 1, "train/loss": 0.5, **TOLD},
        {"epoch": 2, "train/loss": 0.25, "val/accuracy": 1.0, **TOLD},
    ]
    assert lines(tmp_path / "new" / "run") == run.records == read_metrics(run.path) == expected


def test_run_folder__a_resumed_run_replaces_the_epochs_that_it_repeats(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        for epoch in (1, 2, 3):
            run.add(epoch, {"train/loss": float(epoch)}, CONFUSION)
    with RunFolder(tmp_path) as resumed:
        resumed.add(2, {"train/loss": 20.0}, CONFUSION)
        assert [(line["epoch"], line["train/loss"]) for line in lines(tmp_path)] == [(1, 1.0), (2, 20.0)]
        resumed.add(3, {"train/loss": 30.0}, CONFUSION)
    assert [record["train/loss"] for record in read_metrics(tmp_path)] == [1.0, 20.0, 30.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_run_folder__a_value_that_json_does_not_have_is_null(value: float, tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        run.add(1, {"val/nme_interocular": value}, CONFUSION)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = (tmp_path / METRICS_FILE).read_text()
    assert json.loads(text, parse_constant=refuse) == {"epoch": 1, "val/nme_interocular": None, **TOLD}


def test_run_folder__the_file_is_whole_after_every_record(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        for epoch in range(1, 4):
            run.add(epoch, {"train/loss": 1.0}, CONFUSION)
            assert len(lines(tmp_path)) == epoch
            assert not list(tmp_path.glob(".*"))


def test_run_folder__tensorboard_has_the_metrics(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        run.add(1, {"train/loss": 0.5}, CONFUSION)
        run.add(2, {"train/loss": 0.25}, CONFUSION)
    (events,) = tmp_path.glob("events.out.tfevents.*")
    data, found = events.read_bytes(), []
    while data:  # of each record: length, its checksum, the event, its checksum
        length = int.from_bytes(data[:8], "little")
        event = Event.FromString(data[12 : 12 + length])
        found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
        data = data[16 + length :]
    assert found == [(1, "train/loss", 0.5), (2, "train/loss", 0.25)]


def test_read_metrics__of_a_folder_without_any_is_empty(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []
    assert read_metrics(tmp_path / "missing") == []
