"""Jobs that follow the import of a small data set, for every format."""

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from faceml.config import load_config
from faceml.formats import NextJob
from faceml.formats.registry import FORMATS
from faceml.tables.sorted_rows import read_table
from faceml.training.multitask import build_multitask_trainer
from faceml.training.observer import EpochRecord, NonFiniteStep, StepRecord
from faceml.training.recognition import build_recognition_trainer
from ray_jobs.cli import main
from ray_jobs.jobs import JOBS
from ray_jobs.local import importing
from tests.formats.random_landmarks import write_random_landmarks

REAL = "raf-db"
"""Format whose jobs run on Ray in every run of the tests."""
SMALL = {
    "extract": ["landmarker.actors=1"],
    "train": [
        "training.epochs=1",
        "training.batch_size_per_worker=8",
        "data.image_size=32",
        "data.loader_processes=0",
    ],
    "transfer": [
        "training.epochs=1",
        "data.image_size=32",
        "data.people_per_batch=4",
        "data.images_per_person=2",
        "model.embedding_dim=16",
    ],
}
"""Settings that make the jobs small."""
BUILDERS: Mapping[str, Callable[..., Any]] = {
    "train": build_multitask_trainer,
    "transfer": build_recognition_trainer,
}
TRAINED = [name for name in FORMATS if name != "insightface-bin"]
"""Formats with images to train on; `test_recognition_sets.py` verifies on those of the other."""


class Records(list[EpochRecord]):
    """Keeps the record of each epoch."""

    def on_step(self, record: StepRecord) -> None:
        pass

    def on_epoch(self, record: EpochRecord) -> None:
        self.append(record)

    def on_nonfinite_step(self, record: NonFiniteStep) -> None:
        raise AssertionError(record)


@pytest.mark.usefixtures("kept_memory", "one_thread")
@pytest.mark.parametrize("name", TRAINED)
def test_write_next_jobs__a_training_learns_from_what_came_out(
    name: str, shipped: Callable[[str], Path], tmp_path: Path
) -> None:
    def load(job: NextJob) -> Any:
        return load_config(JOBS[job.command].model, job.config, SMALL[job.command])

    data, summary, (extract, train) = importing.run(name, shipped(name), tmp_path / "out")
    number = write_random_landmarks(load(extract))
    trainer, records = BUILDERS[train.command](load(train), torch.device("cpu")), Records()
    trainer.fit(1, records)

    assert number >= summary.images >= 24
    wheres = [data.splits[split].values() for split in ("train", "val")]
    assert [summary.splits[split] for (split,) in wheres] == [16, 8]
    assert [record.epoch for record in records] == [1]
    losses = [value for name, value in records[0].metrics.items() if "loss" in name]
    assert losses
    assert np.isfinite(losses).all()


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == REAL else pytest.mark.soak) for name in TRAINED]
)
def test_write_next_jobs__the_printed_commands_run(
    name: str,
    shipped: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(command: list[str]) -> str:
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return capsys.readouterr().out

    out = tmp_path / "out"
    printed = run(["faceml", "import", name, str(shipped(name)), str(out)])
    commands = [shlex.split(line) for line in printed.splitlines() if line.startswith("  faceml ")]
    for command in commands:
        run([*command, *(part for setting in SMALL[command[1]] for part in ("--set", setting))])

    _, training = [command[1] for command in commands]
    assert training in BUILDERS
    assert len(read_table(out / "table")) >= json.loads((out / "import.json").read_text())["images"]
    assert json.loads((out / f"runs/{training}/summary.json").read_text())["epochs"] == 1
