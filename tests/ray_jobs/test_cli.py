"""Command line: exit statuses and output, in this process and in separate processes."""

import json
import logging
import os
import re
import runpy
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from faceml.config.base import Config
from faceml.config.loading import dump_config, parse_config
from faceml.config.train import TrainConfig
from faceml.runs.files import read_metrics
from faceml.tables.sorted_rows import read_table
from ray_jobs.cli import main
from ray_jobs.jobs import JOBS, STUDY
from tests.job import REPOSITORY

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
        (["tune", "--set", "metric=train/loss"], "'metric' = 'train/loss': the losses of different"),
        (["tune", "--set", "search.model.backbone.when={weighting.kid: dwa}"], "which is not searched"),
        (
            ["extract", "--set", "data.root=/nowhere"],
            "'data.root' = '/nowhere': no such folder. Name one with",
        ),
        (["extract", "--config", "nowhere.yaml"], "--config nowhere.yaml: no such file"),
        (["extract", "--set", "data.root"], "must have the form dotted.key=value"),
        (["synth", "--set", "splits=[train]"], "'splits' = ['train']: must be a section of keys"),
        (["demo", "--set", "tune.num_trails=3"], "Unknown key: 'tune.num_trails' (= 3). Did you mean"),
        (["train", "--resume", "/nowhere"], "--resume /nowhere: holds no run, for it has no config.yaml."),
        (
            ["train", "--resume", "runs/a", "--config", "train.yaml"],
            "--resume runs/a: continues with the configuration in there. Omit --config.",
        ),
        (
            ["predict", "a.jpg", "--output", "p.csv"],
            "'output.file' = 'p.csv': must end in .jsonl or .parquet",
        ),
        (["predict", "a.jpg", "--set", "faces.kind=all"], "'faces.kind' = 'all'"),
        (["export-json", "--table", "t", "--output", "o", "--num-landmarks", "7"], "--num-landmarks 7"),
    ],
)
def test_main__tells_a_mistake_on_one_line_with_exit_status_2(
    arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, which has imported what each command would import again."""
    monkeypatch.setattr("sys.argv", ["faceml", *arguments])
    monkeypatch.setattr(logging.getLogger(), "handlers", [*logging.getLogger().handlers])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert [told in line for line in printed.err.splitlines()] == [True], printed.err
    assert printed.out == ""


def test_main__in_a_process_of_its_own_tells_the_same() -> None:
    done = _run("train", "--set", "optimizer.learning_rat=1e-3")
    assert done.returncode == 2
    told = "Did you mean 'optimizer.learning_rate'?"
    assert [told in line for line in done.stderr.splitlines()] == [True], done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("job", JOBS)
def test_main__every_job_is_a_module(
    job: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `python -m` runs it; in this process, which has imported already what each of them would again."""
    monkeypatch.setattr("sys.argv", [job, "--config", "nowhere.yaml"])
    monkeypatch.setattr(logging.getLogger(), "handlers", [*logging.getLogger().handlers])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"ray_jobs.{job.replace('-', '_')}", run_name="__main__")
    assert ended.value.code == 2
    told = "--config nowhere.yaml: no such file. `faceml init` writes ready-made ones to configs/.\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("job", [*JOBS, "doctor", "forget", "submit"])
def test_main__a_module_shows_its_help_without_a_warning(job: str) -> None:
    """Python warns of a module that the import of its package has imported already."""
    done = _run("--help", program=(sys.executable, "-m", f"ray_jobs.{job.replace('-', '_')}"))
    assert done.returncode == 0
    assert f"Usage: faceml {job} " in done.stdout
    assert done.stderr == ""


def call(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int | str | None:
    monkeypatch.setattr("sys.argv", ["faceml", *arguments])
    monkeypatch.setattr(logging.getLogger(), "handlers", [*logging.getLogger().handlers])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_init__writes_the_configurations_which_jobs_read_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("synth", "--set", "size=1", monkeypatch=monkeypatch) == 2
    assert "Unknown key: 'size'" in capsys.readouterr().err, "of the package's file"
    assert call("init", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == "Results: configs\n"
    shipped = {file.name: file.read_bytes() for file in (REPOSITORY / "configs").iterdir()}
    assert {file.name: file.read_bytes() for file in Path("configs").iterdir()} == shipped
    Path("configs/synth.yaml").write_text("own: true\n")
    assert call("synth", monkeypatch=monkeypatch) == 2
    assert "Unknown key: 'own'" in capsys.readouterr().err
    assert call("init", monkeypatch=monkeypatch) == 2
    assert capsys.readouterr().err == (
        "configs: has other files named synth.yaml. Choose another folder, or move them.\n"
    )
    assert Path("configs/synth.yaml").read_text() == "own: true\n"


def test_main__help_imports_no_heavy_package() -> None:
    code = (
        "import atexit, sys; from ray_jobs.cli import main\n"
        "heavy = {'torch', 'ray', 'pyarrow', 'numpy', 'pydantic'}\n"
        "atexit.register(lambda: print(heavy & sys.modules.keys()))\n"
        "main()"
    )
    done = _run("--help", program=(sys.executable, "-c", code))
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "set()"


def test_jobs__extraction_imports_no_pytorch_and_little_before_ray_starts(
    faces: Path, tmp_path: Path
) -> None:
    """Each of these packages takes between a quarter of a second and a second and a half to import."""
    code = (
        "import atexit, sys; from ray_jobs.cli import main; import ray_jobs.tables.actor_pool as pool\n"
        "import ray_jobs.tables.extraction\n"
        "print({'pandas', 'ray.data', 'matplotlib', 'torch', 'scipy'} & sys.modules.keys())\n"
        "atexit.register(lambda: print({'torch'} & sys.modules.keys()))\n"
        "main('extract')"
    )
    settings = (f"data.root={faces / 'val' / '0'}", f"output.table={tmp_path / 'table'}")
    words = [word for setting in settings for word in ("--set", setting)]
    done = _run(*words, program=(sys.executable, "-c", code))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-2:]) == ("set()", [f"Results: {tmp_path / 'table'}_run", "set()"])
    assert (tmp_path / "table_run" / "report.html").is_file()


def test_jobs__drivers_of_trainings_start_without_what_only_workers_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of these packages takes a second or more to import. PyTorch's threads sleep while they wait."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("OMP_DISPLAY_ENV", "true")
    drivers = ("training.multitask", "training.recognition", "search.tuning", "search.study")
    heavy = {"matplotlib.pyplot", "mlflow", "scipy.special", "timm", "torchmetrics", "torchvision"}
    imports = ", ".join(f"ray_jobs.{driver}" for driver in drivers)
    code = f"import sys, {imports}; print({heavy} & sys.modules.keys())"
    done = _run("-c", code, program=(sys.executable,))
    assert done.stdout == "set()\n"
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr, "as OpenMP reads it when PyTorch is imported"


def test_jobs__each_names_its_configuration_and_its_module() -> None:
    for job in (*JOBS.values(), STUDY):
        assert issubclass(job.model, Config)
        assert callable(import_module(job.module).run_and_show)


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


def test_forget__names_what_is_gone_and_what_is_left_to_do(tables: Path, tmp_path: Path) -> None:
    table, run = tmp_path / "table", tmp_path / "runs" / "a"
    shutil.copytree(tables / "val", table)
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(f"data: {{train: {{table: {table}}}}}\ntraining: {{}}\n")
    (run / "best_model.pt").touch()
    done = _run("forget", "3", "--table", str(table), "--runs", str(tmp_path / "runs"))
    assert done.returncode == 0, done.stderr
    gone = [image for image in read_table(tables / "val")["image_id"].to_pylist() if image.startswith("3/")]
    assert f"These {len(gone)} images are still in the folders that were extracted" in done.stdout
    assert [line.strip() for line in done.stdout.splitlines() if line.startswith("  3/")] == gone
    assert f"{run}: trained on {table}\n  {run}/best_model.pt\n" in done.stdout
    assert not {*read_table(table)["image_id"].to_pylist()} & {*gone}


def _training(tables: Path, faces: Path, folder: Path, epochs: int, **more: object) -> TrainConfig:
    raw = {
        "data": {
            split: {"table": str(tables / split), "images": str(faces / split)} for split in ("train", "val")
        }
        | {"image_size": 32},
        "optimizer": {"name": "adamw"},
        "training": {"epochs": epochs, "batch_size_per_worker": 16},
        "run": {"folder": str(folder)},
    }
    return parse_config(TrainConfig, raw | more)


def _kill_after_two_epochs(config: TrainConfig, file: Path) -> list[dict[str, Any]]:
    """Train until there are records of two epochs, kill everything, and return the records."""
    file.write_text(dump_config(config))
    command = [str(FACEML), "train", "--config", str(file)]
    # A session of its own, so that its Ray processes can be killed with it, and only those.
    driver = subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True, stderr=subprocess.DEVNULL)
    records = Path(config.run.folder, "metrics.jsonl")
    deadline = time.monotonic() + 240
    while not records.is_file() or len(records.read_text().splitlines()) < 2:
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    assert not Path(config.run.folder, "summary.json").exists()
    return read_metrics(Path(config.run.folder))


@pytest.mark.soak
def test_train__resume_goes_on_by_the_run_folder_alone_wherever_it_is_now(
    tables: Path, faces: Path, tmp_path: Path
) -> None:
    epochs, moved = 4, tmp_path / "moved"
    tracking = {"kind": "mlflow", "uri": f"sqlite:///{tmp_path}/mlflow.db"}
    config = _training(tables, faces, tmp_path / "run", epochs, tracking=tracking)
    before = _kill_after_two_epochs(config, tmp_path / "train.yaml")
    Path(config.run.folder).rename(moved)
    module = (sys.executable, "-m", "ray_jobs.train")
    again = _run("--resume", str(moved), "--set", "run.checkpoints_to_keep=3", program=module)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-1] == f"Results: {moved}"
    assert re.search(rf"Training on .* resumes after epoch [12] of {epochs}$", again.stderr, re.MULTILINE)
    assert re.search(r"^training faces +64 in ", again.stderr, re.MULTILINE)
    after = read_metrics(moved)
    assert [record["epoch"] for record in after] == list(range(1, epochs + 1))
    assert after[0] == before[0], "the first epoch was not trained again"
    # Workers whose driver was killed train on until Ray misses it, and may leave checkpoints where it was.
    assert not Path(config.run.folder, "config.yaml").exists()
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        ((run, status),) = database.execute("SELECT run_uuid, status FROM runs").fetchall()
        assert (run, status) == (json.loads((moved / "mlflow.json").read_text())["run_id"], "FINISHED")
        steps = database.execute(
            "SELECT step FROM metrics WHERE key = 'val/accuracy' ORDER BY step"
        ).fetchall()
    assert [step for (step,) in steps] == list(range(1, epochs + 1))


@pytest.mark.parametrize(("modules", "is_skipped"), [("sys", True), ("torch, triton", False)])
def test_environment__the_last_garbage_collection_is_left_out_without_pytorch(
    modules: str, is_skipped: bool
) -> None:
    code = (
        "import atexit, gc\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 1000))\n"
        f"import ray_jobs, {modules}"
    )
    done = _run("-c", code, program=(sys.executable,))
    assert (done.stdout, done.stderr) == (f"{is_skipped}\n", "")
