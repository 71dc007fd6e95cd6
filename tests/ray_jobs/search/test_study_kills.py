"""A study with killed processes: the same command ends it as if it had not been disturbed."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from faceml.config.loading import assign_keys, dump_config, parse_config
from faceml.config.study import StudyConfig
from faceml.runs.files import read_summary
from faceml.runs.trial_folder import TrialFolder
from ray_jobs.search import study
from ray_jobs.search.searcher import trial_folders
from tests.job import Job
from tests.ray_jobs.search.test_study import config_of

EPOCHS, TRAININGS = 5, 4
CHOOSE = random.Random(0)


def study_of(people: Path, folder: Path) -> StudyConfig:
    plain = config_of(people, folder).model_dump(mode="json")
    # Trainings that last, two at a time.
    changes = {"recognition.training.epochs": EPOCHS, "recognition.model.backbone": "resnet18"}
    return parse_config(StudyConfig, assign_keys(plain, changes | {"trial.cpus": 1}))


def trainings(config: StudyConfig) -> list[TrialFolder]:
    return trial_folders(Path(config.run.folder, "trials"))


def await_half_done(job: Job, config: StudyConfig, ended: int) -> None:
    """Wait until so many trainings have ended, and one that has not can go on from a checkpoint."""
    deadline_s = time.monotonic() + 300
    while True:
        outcomes = [training.outcome for training in trainings(config)]
        begun = [training for training in trainings(config) if training.outcome is None]
        half_done = [t for t in begun if t.checkpoint is not None and 2 <= len(t.records) < EPOCHS - 1]
        if half_done and len(outcomes) - len(begun) >= ended:
            return
        assert job.process.poll() is None, job.finish()
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


@pytest.mark.soak
def test_transfer__a_study_whose_processes_are_killed_ends_as_if_undisturbed(
    people: Path, tmp_path: Path, ray_cluster: None, start: Callable[..., Job]
) -> None:
    undisturbed, disturbed = (study_of(people, tmp_path / name) for name in ("undisturbed", "disturbed"))
    _, expected = study.run(undisturbed)
    file = tmp_path / "disturbed.yaml"
    file.write_text(dump_config(disturbed), encoding="utf-8")
    job = start("transfer", options=("--config", str(file)))
    await_half_done(job, disturbed, ended=0)
    assert job.kill("trial", CHOOSE)
    await_half_done(job, disturbed, ended=1)
    done = {t.name: t.content("metrics.jsonl") for t in trainings(disturbed) if t.outcome is not None}
    assert job.kill("driver", CHOOSE)
    job.stop()
    assert not Path(disturbed.run.folder, "summary.json").exists()
    output = start("transfer", options=("--config", str(file))).finish()
    assert f"Results: {disturbed.run.folder}" in output, output
    after = {training.name: training.content("metrics.jsonl") for training in trainings(disturbed)}
    assert len(after) == TRAININGS
    assert {name: after[name] for name in done} == done, "what had ended is not trained again"
    accuracies = {f"{run.arm}_seed_{run.seed}": run.accuracies for run in expected if run.error is None}
    found = {
        training.name: [record["verification/accuracy"] for record in training.records]
        for training in trainings(disturbed)
    }
    assert found == {name: list(values) for name, values in accuracies.items()}
    summaries = [read_summary(Path(config.run.folder)) for config in (disturbed, undisturbed)]
    assert summaries[0]["verdicts"] == summaries[1]["verdicts"]
