"""Searches with killed processes: the same command finishes them and repeats no finished trial."""

import json
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from faceml.config.loading import dump_config, parse_config
from faceml.config.tune import TuneConfig
from faceml.runs.trial_folder import TrialFolder
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from ray_jobs.search.searcher import trial_folders
from tests.job import Job

EPOCHS, TRIALS = 8, 4
FINISH_S = 600
CHOOSE = random.Random(0)
Start = Callable[..., Job]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `faceml tune` on a machine with a cache of its own, and kill it after the test."""
    jobs: list[Job] = []

    def start_job(config: TuneConfig, machine: str = "first") -> Job:
        file = tmp_path / "tune.yaml"
        file.write_text(dump_config(config), encoding="utf-8")
        environment = {"FACEML_CACHE": str(tmp_path / machine)}
        jobs.append(Job("tune", options=("--config", str(file)), environment=environment))
        return jobs[-1]

    yield start_job
    for job in jobs:
        job.stop()


def search(faces: Path, tables: Path, folder: str | Path, trials: int = TRIALS, **trial: Any) -> TuneConfig:
    """Trials that keep a checkpoint of every epoch, two at a time."""
    splits = {s: {"table": str(tables / s), "images": str(faces / s)} for s in ("train", "val")}
    return parse_config(
        TuneConfig,
        {
            "train": {
                "data": splits | {"image_size": 32, "leakage": {"on_found": "ignore"}},
                "model": {"embedding_dim": 32},
                "optimizer": {"name": "sgd", "momentum": 0.0},  # whose checkpoints are small
                "training": {"epochs": EPOCHS, "batch_size_per_worker": 16, "warmup_epochs": 0},
                "run": {"folder": place_below(folder, "unused")},
            },
            "search": {"seed": {"kind": "grid", "values": list(range(trials))}},
            "num_trials": 1,
            "scheduler": {"kind": "none"},
            "trial": {"cpus": 1, "checkpoint_every_s": 0, **trial},
            "run": {"folder": str(folder)},
        },
    )


def await_checkpoint(job: Job, config: TuneConfig, ended: int, timeout_s: float = 300) -> TrialFolder:
    """Wait until so many trials have ended and all others that began are half done; return one of those.

    Whichever of their processes is killed then, it has something to go on with, and something left to do.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        trials = trial_folders(place_below(config.run.folder, "trials"))
        begun = [trial for trial in trials if trial.outcome is None]
        in_the_middle = [t.checkpoint is not None and 3 <= len(t.records) < EPOCHS - 1 for t in begun]
        if begun and all(in_the_middle) and len(trials) - len(begun) >= ended:
            return begun[0]
        assert job.process.poll() is None, job.finish()
        assert time.monotonic() < deadline
        time.sleep(0.25)  # each look is some ten requests to a store


def lines(trial: TrialFolder) -> list[bytes]:
    return (trial.content("metrics.jsonl") or b"").splitlines()


def assert_goes_on_when_a_trial_is_killed(config: TuneConfig, job: Job, trials: int) -> None:
    killed = await_checkpoint(job, config, ended=0)
    before = lines(killed)
    assert job.kill("trial", CHOOSE)
    output = job.finish(FINISH_S)
    assert output.count("its process died; another one continues the trial.") == 1, output
    assert lines(killed)[:2] == before[:2]
    summary = json.loads(Path(config.run.folder, "summary.json").read_text())
    found = [(trial["epochs"], trial["outcome"]) for trial in summary["trials"]]
    assert found == [(EPOCHS, "finished")] * trials


def kill_trial(job: Job, after: Sequence[int] = ()) -> list[int]:
    """Kill the process of the only trial that runs, once it is none of those before; return its number."""
    deadline = time.monotonic() + 300
    while not (numbers := [pid for pid in job.of_kind("trial") if pid not in after]):
        assert job.process.poll() is None, job.finish()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert job.kill("trial", CHOOSE)
    return numbers


def test_tune__killed_with_its_driver_and_then_its_trial_it_ends_with_all_that_was_done(
    faces: Path, tables: Path, tmp_path: Path, start: Start
) -> None:
    """One trial after the other: the driver is killed during the first, the trial's process in the second."""
    config = search(faces, tables, tmp_path / "search", trials=2, cpus=2)
    job = start(config)
    first = await_checkpoint(job, config, ended=0)
    assert job.kill("driver", CHOOSE)
    job.stop()
    assert StorageFolder(config.run.folder).files() == ["config.yaml", "data.json"]
    assert first.outcome is None
    before = lines(first)

    job = start(config)
    second = await_checkpoint(job, config, ended=1)
    before_second = lines(second)
    kill_trial(job)
    output = job.finish(FINISH_S)
    # The time that an epoch took tells that it is the same one, not trained again.
    assert lines(first)[:2] == before[:2]
    assert lines(second)[:2] == before_second[:2]
    assert_is_whole(config, output)
    summary = json.loads(Path(config.run.folder, "summary.json").read_text())
    assert [(t["epochs"], t["outcome"]) for t in summary["trials"]] == [(EPOCHS, "finished")] * 2


def assert_is_whole(config: TuneConfig, output: str) -> None:
    """Check what a search has left whose last trial was continued in another process."""
    place = config.run.folder
    folder = StorageFolder(place)
    assert output.count("its process died; another one continues the trial.") == 1, output
    assert f"Results: {place}" in output, output
    assert {"best_config.yaml", "report.html", "trials.csv", "epochs.parquet"} <= set(folder.files())
    left = [found.path for found in folder.walk()]
    assert not [path for path in left if path.startswith("trials/") and "/checkpoint" in path], (
        "none is needed"
    )
    assert not folder.has(".ray_tune/tuner.pkl")
    best = folder.read("best_config.yaml")
    assert isinstance(best, bytes)
    assert yaml.safe_load(best)["run"]["folder"] == place_below(place, "best")


@pytest.mark.soak
@pytest.mark.parametrize("is_in_store", [False, True])
def test_tune__interrupted_and_killed_in_three_ways_it_ends_with_all_that_was_done(
    is_in_store: bool,
    faces: Path,
    tables: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    start: Start,
) -> None:
    """One trial after the other: the first is killed for good, then the driver, then the third's process."""
    parent = request.getfixturevalue("s3_uri")() if is_in_store else tmp_path
    place = place_below(parent, "search")
    folder = StorageFolder(place)
    config = search(faces, tables, place, trials=3, cpus=2, restarts=1)
    job = start(config)
    first = await_checkpoint(job, config, ended=0)
    job.process.send_signal(signal.SIGTERM)
    output = job.finish(FINISH_S).strip()
    assert job.process.returncode == 143
    assert output.splitlines()[-1] == (
        "Stopped by SIGTERM. The same command continues from what is finished."
    ), output
    assert "Traceback" not in output
    assert first.outcome is None
    before = lines(first)

    job = start(config)
    kill_trial(job, after=kill_trial(job))
    second = await_checkpoint(job, config, ended=1)
    assert lines(first)[:2] == before[:2]
    assert first.outcome is not None
    assert str(first.outcome.error).startswith("its process died 2 times")
    assert first.checkpoint is None
    assert job.kill("driver", CHOOSE)
    job.stop()
    assert folder.files() == ["config.yaml", "data.json"]
    before, done = lines(second), lines(first)

    job = start(config, machine="second")
    third = await_checkpoint(job, config, ended=2)
    before_third = lines(third)
    kill_trial(job)
    output = job.finish(FINISH_S)
    # The time that an epoch took tells that it is the same one, not trained again.
    assert lines(first) == done
    assert lines(second)[:2] == before[:2]
    assert lines(third)[:2] == before_third[:2]
    summary = folder.read("summary.json")
    assert isinstance(summary, bytes)
    ended = {
        trial["name"]: (trial["epochs"], trial["outcome"].partition(":")[0])
        for trial in json.loads(summary)["trials"]
    }
    assert [ended[trial.name] for trial in (second, third)] == [(EPOCHS, "finished")] * 2
    assert ended[first.name][1] == "failed"
    assert_is_whole(config, output)


@pytest.mark.soak
def test_tune__driver_killed_then_the_same_command_goes_on(
    faces: Path, tables: Path, tmp_path: Path, start: Start
) -> None:
    config = search(faces, tables, tmp_path / "tune")
    job = start(config)
    interrupted = await_checkpoint(job, config, ended=1)
    assert job.kill("driver", CHOOSE)
    job.stop()
    assert not Path(config.run.folder, "summary.json").exists()
    trials = trial_folders(place_below(config.run.folder, "trials"))
    done = {trial.name: lines(trial) for trial in trials if trial.outcome is not None}
    assert done
    assert interrupted.outcome is None
    before = lines(interrupted)
    output = start(config).finish(FINISH_S)
    assert f"Results: {config.run.folder}" in output, output
    # The time that an epoch took tells that it is the same one, not trained again.
    assert {name: lines(TrialFolder(Path(interrupted.place).with_name(name))) for name in done} == done
    assert lines(interrupted)[:2] == before[:2]
    summary = json.loads(Path(config.run.folder, "summary.json").read_text())
    assert [trial["epochs"] for trial in summary["trials"]] == [EPOCHS] * TRIALS
    assert not list(Path(config.run.folder).glob("trials/*/checkpoint")), "checkpoints of what has ended"


@pytest.mark.soak
def test_tune__a_trial_whose_process_is_killed_goes_on_in_another(
    faces: Path, tables: Path, tmp_path: Path, start: Start
) -> None:
    config = search(faces, tables, tmp_path / "tune")
    assert_goes_on_when_a_trial_is_killed(config, start(config), TRIALS)


@pytest.mark.soak
def test_tune__a_trial_whose_process_is_killed_for_good_is_shown_and_ends_nothing(
    faces: Path, tables: Path, tmp_path: Path, start: Start
) -> None:
    """As the kernel kills a process for want of memory."""
    config = search(faces, tables, tmp_path / "tune", restarts=0)
    job = start(config)
    await_checkpoint(job, config, ended=0)
    assert job.kill("trial", CHOOSE)
    output = job.finish(FINISH_S)
    reason = "its process died, possibly because it exceeded the available memory"
    assert output.count(f" failed: {reason}") >= 1, output
    outcomes = [
        t["outcome"] for t in json.loads(Path(config.run.folder, "summary.json").read_text())["trials"]
    ]
    assert sorted(outcomes) == [f"failed: {reason}"] + ["finished"] * (TRIALS - 1)


@pytest.mark.soak
def test_tune__workers_of_a_trial_whose_process_is_killed_give_back_their_cpus(
    faces: Path, tables: Path, tmp_path: Path, start: Start
) -> None:
    """There are CPUs for two workers: neither it nor the next trial could go on without them."""
    config = search(faces, tables, tmp_path / "tune", workers=2, trials=2)
    assert_goes_on_when_a_trial_is_killed(config, start(config), 2)


@pytest.mark.soak
def test_tune__interrupted_from_the_keyboard_keeps_its_checkpoint(
    faces: Path, tables: Path, tmp_path: Path, start: Start
) -> None:
    config = search(faces, tables, tmp_path / "tune")
    job = start(config)
    interrupted = await_checkpoint(job, config, ended=0)
    job.process.send_signal(signal.SIGINT)
    output = job.finish(FINISH_S)
    assert job.process.returncode == 130
    assert output.strip().endswith("Stopped by Ctrl-C. The same command continues from what is finished.")
    assert interrupted.outcome is None
    assert interrupted.checkpoint is not None
    assert not Path(config.run.folder, "summary.json").exists()


@pytest.mark.soak
def test_tune__a_trial_whose_process_is_killed_for_memory_says_so(
    faces: Path, tables: Path, tmp_path: Path
) -> None:
    """More than 1 % of memory is in use: Ray's monitor kills the process that started last, the trial's."""
    config = search(faces, tables, tmp_path / "search", trials=1, restarts=1)
    (tmp_path / "tune.yaml").write_text(dump_config(config), encoding="utf-8")
    limits = {"RAY_memory_usage_threshold": "0.01", "RAY_memory_monitor_refresh_ms": "100"}
    job = Job("tune", options=("--config", str(tmp_path / "tune.yaml")), environment=limits)
    output = job.finish(FINISH_S)
    job.stop()
    assert job.process.returncode == 1
    reason = "its process exceeded the memory of its node 2 times"
    assert output.strip().splitlines()[-1] == f"All 1 trials failed; the best one with: {reason}", output
    assert "Traceback" not in output
