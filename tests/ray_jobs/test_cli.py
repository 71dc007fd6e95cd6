"""The command line as a user meets it: real processes, exit statuses, what they print."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faceml.config.loading import dump_config, parse_config
from faceml.config.train import TrainConfig

REPOSITORY = Path(__file__).parents[2]
FACEML = Path(sys.executable).with_name("faceml")


def _run(*arguments: str, program: tuple[str, ...] = (str(FACEML),)) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*program, *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "--set", "optimizer.learning_rat=1e-3"], "Did you mean 'optimizer.learning_rate'?"),
        (["train", "--set", "training.epochs=ten"], "'training.epochs' = 'ten': must be a valid integer"),
        (
            ["train", "--set", "training.epochs=0"],
            "'training.epochs' = 0: must be greater than or equal to 1",
        ),
        (["tune", "--set", "scheduler.reduction_factor=1"], "'scheduler.reduction_factor' = 1"),
        (
            ["extract", "--set", "data.root=/nowhere"],
            "'data.root' = '/nowhere': no such folder. Name one with",
        ),
        (["extract", "--config", "nowhere.yaml"], "--config nowhere.yaml: no such file"),
        (["extract", "--set", "data.root"], "must have the form dotted.key=value"),
        (["synth", "--set", "splits=[train]"], "'splits' = ['train']: must be a section of keys"),
        (["demo", "--set", "tune.num_trails=3"], "Unknown key: 'tune.num_trails' (= 3). Did you mean"),
        (["export-json", "--table", "t", "--output", "o", "--num-landmarks", "7"], "--num-landmarks 7"),
    ],
)
def test_main__tells_a_mistake_on_one_line_with_exit_status_2(arguments: list[str], told: str) -> None:
    done = _run(*arguments)
    assert done.returncode == 2
    assert [told in line for line in done.stderr.splitlines()] == [True], done.stderr
    assert done.stdout == ""


def test_main__same_job_as_a_module() -> None:
    module = (sys.executable, "-m", "ray_jobs.extract")
    done = _run("--set", "data.root=/nowhere", program=module)
    assert (done.returncode, done.stderr) == (2, _run("extract", "--set", "data.root=/nowhere").stderr)


def test_export_json__holds_the_points_of_the_table(tables: Path, faces: Path, tmp_path: Path) -> None:
    file = tmp_path / "landmarks.json"
    done = _run(
        "export-json", "--table", str(tables / "val"), "--output", str(file), "--images", str(faces / "val")
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"Results: {file}"
    landmarks = json.loads(file.read_text())
    assert len(landmarks) == 32
    for path, points in landmarks.items():
        assert Path(path).is_file()
        assert len(points) == 5
        (left_eye, right_eye, _, left_mouth, _) = points
        assert left_eye[0] < right_eye[0]
        assert left_eye[1] < left_mouth[1]


def test_train__driver_killed_then_the_same_command_goes_on(
    tables: Path, faces: Path, tmp_path: Path
) -> None:
    folder, epochs = tmp_path / "run", 6
    config = parse_config(
        TrainConfig,
        {
            "data": {
                split: {"table": str(tables / split), "images": str(faces / split)}
                for split in ("train", "val")
            }
            | {"image_size": 32},
            "optimizer": {"name": "adamw"},
            "training": {"epochs": epochs, "batch_size_per_worker": 16},
            "run": {"folder": str(folder)},
        },
    )
    file = tmp_path / "train.yaml"
    file.write_text(dump_config(config))
    command = [str(FACEML), "train", "--config", str(file)]
    # A session of its own, so that its Ray processes can be killed with it, and only those.
    driver = subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True, stderr=subprocess.DEVNULL)
    records = folder / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not records.is_file() or len(records.read_text().splitlines()) < 2:
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    assert not (folder / "summary.json").exists()
    before = [json.loads(line) for line in records.read_text().splitlines()]
    again = _run("train", "--config", str(file))
    assert again.returncode == 0, again.stderr
    after = [json.loads(line) for line in records.read_text().splitlines()]
    assert [record["epoch"] for record in after] == list(range(1, epochs + 1))
    assert after[0] == before[0], "the first epoch was not trained again"
    assert again.stdout.splitlines()[-1] == f"Results: {folder}"
