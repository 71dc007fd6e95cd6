"""Trainings with killed processes: the same command gives the model of an undisturbed run."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from faceml.config.loading import load_config
from faceml.config.train import TrainConfig
from faceml.reporting.training.summary import best_record
from faceml.runs.files import read_metrics
from faceml.search.scores import ACCURACY
from faceml.storage.folder import StorageFolder
from faceml.training.checkpoint import MODEL_FILE, STATE_FILE, read_state
from ray_jobs.training import multitask
from ray_jobs.training.checkpoint_list import CHECKPOINTS_FOLDER, checkpoint_path, settle_checkpoints
from tests.full_disk import write_full_disk
from tests.job import VICTIMS, Job

CONFIG = Path("configs/multitask_affectnet.yaml")
EPOCHS = 6
KEPT = 2
# What a clock says is not the same twice.
CLOCKED = "train/images_per_second"
FATAL = ("driver", "cluster")


def settings_of(faces: Path, run: Path, backbone: str = "resnet18", epochs: int = EPOCHS) -> list[str]:
    settings: dict[str, Any] = {
        "data.labels": "null",
        "data.image_size": 32,
        "data.loader_processes": 0,
        "data.leakage.on_found": "ignore",
        "model.backbone": backbone,
        "model.weights": "none",
        "model.embedding_dim": 16,
        "training.epochs": epochs,
        "training.batch_size_per_worker": 16,
        "training.log_every_steps": 4,
        "scaling.cpus_per_worker": 1,
        "scaling.use_gpu": "false",
        "run.folder": run,
        "run.checkpoints_to_keep": KEPT,
    }
    for split in ("train", "val"):
        settings[f"data.{split}.table"] = faces / "tables" / split
        settings[f"data.{split}.images"] = faces / "images" / split
    return [f"{key}={value}" for key, value in settings.items()]


def records_of(run: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k != CLOCKED} for record in read_metrics(run)]


def checkpoints_of(run: Path) -> list[Path]:
    """Return those that bear their names, by epoch."""
    return sorted((run / CHECKPOINTS_FOLDER).glob("checkpoint_epoch_*"))


def assert_same_end(run: Path, undisturbed: Path) -> None:
    """Compare what two runs have left, bit for bit."""
    assert records_of(run) == records_of(undisturbed)
    found, expected = (torch.load(r / "best_model.pt", weights_only=True) for r in (run, undisturbed))
    assert found["model_state_dict"].keys() == expected["model_state_dict"].keys()
    for name, tensor in expected["model_state_dict"].items():
        assert torch.equal(found["model_state_dict"][name], tensor), name
    found, expected = (json.loads((r / "summary.json").read_text()) for r in (run, undisturbed))
    for which in ("best", "last"):
        assert found[which] | {CLOCKED: 0} == expected[which] | {CLOCKED: 0}
    left, expected = (
        sorted(file.name for file in (r / CHECKPOINTS_FOLDER).iterdir()) for r in (run, undisturbed)
    )
    assert left == expected
    assert (run / "report.html").is_file()


def assert_best_is_kept(run: Path) -> None:
    """Check that all checkpoints that Ray Train knows of load, the best epoch's among them."""
    settle_checkpoints(StorageFolder(run))
    checkpoints = checkpoints_of(run)
    if not checkpoints:
        return
    for checkpoint in checkpoints:
        assert read_state(checkpoint / STATE_FILE)["epochs_done"] == epoch_of(checkpoint)
        assert read_state(checkpoint / MODEL_FILE)["metrics"]["val/accuracy"] >= 0
    records = read_metrics(checkpoints[-1])
    assert [record["epoch"] for record in records] == list(range(1, epoch_of(checkpoints[-1]) + 1))
    assert best_record(records, ACCURACY)["epoch"] in [epoch_of(checkpoint) for checkpoint in checkpoints]
    assert len(checkpoints) <= KEPT + 1


def epoch_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("_")[2])


class Moments:
    """Wait for moments of a training at which something may be killed.

    Args:
        job: That trains.
        run: Its folder.
        epochs: Its number of epochs.
    """

    def __init__(self, job: Job, run: Path, epochs: int) -> None:
        self._job = job
        self._run = run
        self._epochs = epochs
        self._told = len(read_metrics(run))

    def setup(self) -> float:
        """A worker starts; imports and the network take it some seconds."""
        self._wait(lambda: bool(self._job.of_kind("worker")))
        return 4.0

    def epoch(self) -> float:
        """An epoch has been told of."""
        self._wait(lambda: len(read_metrics(self._run)) > self._told)
        return 1.5

    def checkpoint(self) -> float:
        """A checkpoint is being written."""
        self._wait(lambda: bool(list((self._run / CHECKPOINTS_FOLDER).glob(".checkpoint_*.partial"))))
        return 0.5

    def end(self) -> float:
        """The last epoch has been told of."""
        self._wait(lambda: len(read_metrics(self._run)) == self._epochs)
        return 1.0

    def _wait(self, come: Callable[[], bool]) -> None:
        while self._job.process.poll() is None and not come():
            time.sleep(0.01)


# With a network that trains in no time, six kills would come too late.
@pytest.mark.parametrize(
    ("rounds", "backbone"), [(1, "narrow"), pytest.param(6, "resnet18", marks=pytest.mark.soak)]
)
def test_train__killed_at_random_points_and_stopped_by_a_full_disk_ends_as_if_undisturbed(
    rounds: int,
    backbone: str,
    noisy_faces: Path,
    ray_cluster: None,
    tmp_path: Path,
    start: Callable[..., Job],
) -> None:
    undisturbed, run = tmp_path / "undisturbed", tmp_path / "run"
    epochs = 4 + 2 * rounds  # each round may go on for two before something is killed
    multitask.run(load_config(TrainConfig, CONFIG, settings_of(noisy_faces, undisturbed, backbone, epochs)))
    settings = settings_of(noisy_faces, run, backbone, epochs)
    if rounds > 1:
        disk = write_full_disk(tmp_path / "disk")
        disk.fill_with(run / checkpoint_path(2))
        assert_full_disk_costs_no_checkpoint(start("train", *settings, path=str(disk.folder)), run)

    choose = random.Random(20_260_102)
    job = start("train", *settings)
    victims = choose.sample(list(VICTIMS["train"]) * 2, 6)
    moments = ["end", *choose.sample(["setup", "epoch", "checkpoint"] * 2, 5)]
    assert set(victims) == set(VICTIMS["train"])
    victims, moments = victims[-rounds:], moments[-rounds:]
    while victims:
        longest_s = getattr(Moments(job, run, epochs), moments[-1])()
        time.sleep(choose.uniform(0.0, longest_s))
        if job.process.poll() is None and job.kill(victims[-1], choose):
            moments.pop()
            if victims.pop() in FATAL:
                job.stop()
                assert_best_is_kept(run)
        if job.process.poll() is not None:
            assert job.process.returncode != 0, "the training ended before all was killed that shall be"
            assert "Traceback" not in job.finish()
            job = start("train", *settings)
    output = job.finish()
    if job.process.returncode != 0:  # Ray Train does not replace a worker that dies as its group starts
        assert output.splitlines()[-1].startswith("Ray's workers died"), output
        job = start("train", *settings)
        output = job.finish()
    assert job.process.returncode == 0, output
    assert_same_end(run, undisturbed)


def assert_full_disk_costs_no_checkpoint(job: Job, run: Path) -> None:
    """Check that the job ends with one line, and that the checkpoints before are whole."""
    output = job.finish()
    assert job.process.returncode == 1, output
    assert "Traceback" not in output
    assert output.splitlines()[-1] == (
        f"{run / CHECKPOINTS_FOLDER}: no space left to write (File too large). Make room there; the same "
        "command continues from what is finished."
    )
    assert not list((run / CHECKPOINTS_FOLDER).glob(".*.partial"))
    assert_best_is_kept(run)
    assert 2 <= epoch_of(checkpoints_of(run)[-1]) < EPOCHS
