"""Submission of jobs over HTTP to a cluster with authentication: their ends and exit statuses."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.job_submission import JobStatus

from faceml.runs.files import read_metrics, read_summary
from faceml.tables.sorted_rows import read_table
from tests.head_node import HeadNode
from tests.job import REPOSITORY
from tests.ray_jobs.conftest import HEAD_TOKEN

FACEML = Path(sys.executable).with_name("faceml")
IMPATIENT = "from ray_jobs.cli import main; from ray_jobs.submission import log; log.PATIENCE_S = 2.0; main()"
"""`faceml`, which gives up a lost cluster after 2 s."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What is uploaded: the shipped configurations, and images that are not to be."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "configs").symlink_to(REPOSITORY / "configs")
    (work / "faces").mkdir()
    (work / "faces" / "private.jpg").write_bytes(b"a face")
    (work / ".rayignore").write_text("faces/\n")
    return work


def command(
    head: HeadNode, folder: Path, job: str, *settings: str, options: tuple[str, ...] = ()
) -> list[str]:
    words = [str(FACEML), "submit", job, "--address", head.address, "--working-dir", str(folder), *options]
    return words + [word for setting in settings for word in ("--set", setting)]


def submitted(
    head: HeadNode, folder: Path, job: str, config: str, *settings: str, token: str = HEAD_TOKEN
) -> subprocess.CompletedProcess[str]:
    """Submit a job from another folder than the one that is uploaded, and wait for its end."""
    words = command(head, folder, job, *settings, options=("--config", str(folder / "configs" / config)))
    environment = head.environment | {"RAY_AUTH_TOKEN": token}
    done = subprocess.run(
        words, env=environment, cwd="/", capture_output=True, text=True, timeout=300, check=False
    )
    assert HEAD_TOKEN not in done.stdout + done.stderr
    return done


def splits(faces: Path, tables: Path, prefix: str = "") -> list[str]:
    return [
        setting
        for split in ("train", "val")
        for setting in (
            f"{prefix}data.{split}.table={tables / split}",
            f"{prefix}data.{split}.images={faces / split}",
        )
    ]


def test_submit__extract_leaves_its_table_and_uploads_no_faces(
    head: HeadNode, folder: Path, faces: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table"
    settings = (f"data.root={faces / 'val'}", f"output.table={table}", "landmarker.actors=1")
    done = submitted(head, folder, "extract", "extract_landmarks.yaml", *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"Results: {table}_run"
    assert len(read_table(table, ["image_id"])) == 32
    uploaded = [path.name for path in head.temp_dir.glob("**/working_dir_files/*/*")]
    assert "configs" in uploaded
    assert "faces" not in uploaded


@pytest.mark.soak
def test_submit__a_folder_that_is_too_large_is_refused_with_the_remedy(
    head: HeadNode, folder: Path, faces: Path, tmp_path: Path
) -> None:
    (folder / "weights.bin").write_bytes(os.urandom(110 * 10**6))
    settings = (f"data.root={faces / 'val'}", f"output.table={tmp_path / 'table'}")
    done = submitted(head, folder, "extract", "extract_landmarks.yaml", *settings)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "this folder is too large to be uploaded" in last
    assert last.endswith("in .gitignore or .rayignore, or submit from another folder.")


@pytest.mark.soak
def test_submit__train_then_transfer(
    head: HeadNode, folder: Path, faces: Path, tables: Path, people: Path, tmp_path: Path
) -> None:
    run, transferred = tmp_path / "run", tmp_path / "transferred"
    done = submitted(
        head,
        folder,
        "train",
        "multitask_affectnet.yaml",
        *splits(faces, tables),
        *("data.image_size=32", "data.loader_processes=0", "model.backbone=resnet18", "model.weights=none"),
        *("training.epochs=1", "training.batch_size_per_worker=16", "scaling.use_gpu=false"),
        *("scaling.cpus_per_worker=1", f"run.folder={run}"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(read_metrics(run)) == 1
    done = submitted(
        head,
        folder,
        "transfer",
        "arcface_casia.yaml",
        *splits(people / "faces", people / "tables"),
        *("data.image_size=32", "data.loader_processes=0", "data.pairs.number=100"),
        *("data.people_per_batch=4", f"model.weights={run / 'best_model.pt'}", "training.epochs=1"),
        *("training.precision=fp32", "scaling.use_gpu=false", "scaling.cpus_per_worker=1"),
        f"run.folder={transferred}",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 0.0 <= read_summary(transferred)["accuracy"] <= 1.0
    for written in (run, transferred):
        texts = [path for path in written.rglob("*") if path.suffix in (".yaml", ".json", ".jsonl", ".html")]
        assert texts
        assert not [path for path in texts if HEAD_TOKEN in path.read_text()]


@pytest.mark.soak
def test_submit__tune(head: HeadNode, folder: Path, faces: Path, tables: Path, tmp_path: Path) -> None:
    done = submitted(
        head,
        folder,
        "tune",
        "tune_multitask.yaml",
        *splits(faces, tables, "train."),
        *("search={weighting.kind: {kind: grid, values: [fixed, uncertainty]}}", "num_trials=1"),
        *("scheduler={kind: none}", "trial={cpus: 1, gpus: 0}", "train.data.image_size=32"),
        *("train.data.loader_processes=0", "train.training.epochs=1", "train.scaling.use_gpu=false"),
        *("train.training.batch_size_per_worker=16", f"run.folder={tmp_path / 'search'}"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(read_summary(tmp_path / "search")["trials"]) == 2
    assert yaml.safe_load((tmp_path / "search" / "best_config.yaml").read_text())["data"]["image_size"] == 32


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["output.tabel=/tables"], "Unknown key: 'output.tabel'"),
        (["data.root=/nowhere", "output.table=/tables"], "'data.root' = '/nowhere': no such folder."),
    ],
    ids=["found before it is submitted", "found there"],
)
def test_submit__ends_with_the_status_and_the_line_of_the_job(
    settings: list[str], told: str, head: HeadNode, folder: Path, faces: Path
) -> None:
    given = settings if "data.root" in settings[0] else [f"data.root={faces / 'val'}", *settings]
    done = submitted(head, folder, "extract", "extract_landmarks.yaml", *given)
    assert done.returncode == 2, done.stdout + done.stderr
    assert [told in line for line in (done.stdout + done.stderr).splitlines()].count(True) == 1


def test_require_reach__a_table_that_would_be_thrown_away_is_refused_there_too(
    head: HeadNode, folder: Path, faces: Path
) -> None:
    """Of a job that is submitted by Ray's own command."""
    settings = ("--set", f"data.root={faces / 'val'}", "--set", "output.table=tables/val")
    job = ("python", "-m", "ray_jobs.extract", "--config", "configs/extract_landmarks.yaml", *settings)
    words = [str(FACEML.with_name("ray")), "job", "submit", "--address", head.address]
    done = subprocess.run(
        [*words, "--working-dir", str(folder), "--", *job],
        env=head.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert "output.table = 'tables/val': lies in the uploaded folder" in done.stdout


def test_submit__ctrl_c_leaves_the_job_running_and_says_how_to_come_back(
    head: HeadNode, folder: Path, tmp_path: Path
) -> None:
    settings = ("splits={train: 100000}", f"output.root={tmp_path / 'many'}", "processes=1")
    words = command(
        head, folder, "synth", *settings, options=("--config", str(folder / "configs" / "synth.yaml"))
    )
    log = (tmp_path / "log").open("w+")
    with log, subprocess.Popen(words, env=head.environment, cwd="/", stdout=log, stderr=log) as following:
        deadline_s = time.monotonic() + 100
        while not (tmp_path / "many").exists():
            assert following.poll() is None, Path(log.name).read_text()
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        following.send_signal(signal.SIGINT)
        assert following.wait(60) == 130
    last = Path(log.name).read_text().splitlines()[-1]
    job_id, follow, stop = re.findall(
        r"(raysubmit_\w+) is still running. To follow it: (ray job logs .*); to stop it: (ray job stop .*)",
        last,
    )[0]
    assert job_id in follow
    assert head.client().get_job_status(job_id) == JobStatus.RUNNING
    words = [str(FACEML.with_name("ray")), *stop.split()[1:]]
    subprocess.run(words, env=head.environment, capture_output=True, timeout=120, check=True)
    assert head.client().get_job_status(job_id) == JobStatus.STOPPED


@pytest.mark.soak
def test_submit__a_stopped_training_goes_on_by_the_same_command(
    head: HeadNode, folder: Path, faces: Path, tables: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = (
        *splits(faces, tables),
        *("data.image_size=32", "data.loader_processes=0", "model.backbone=resnet18", "model.weights=none"),
        *("training.epochs=1000", "training.batch_size_per_worker=16", "scaling.use_gpu=false"),
        *("scaling.cpus_per_worker=1", f"run.folder={run}"),
    )
    config = ("--config", str(folder / "configs" / "multitask_affectnet.yaml"))
    words = command(head, folder, "train", *settings, options=config)
    begun: list[dict[str, Any]] = []
    seen = 0
    for _ in range(2):
        log = (tmp_path / "log").open("w+")
        with log, subprocess.Popen(words, env=head.environment, cwd="/", stdout=log, stderr=log) as following:
            deadline_s = time.monotonic() + 200
            while latest_checkpoint(run) < seen + 2:
                assert following.poll() is None, Path(log.name).read_text()
                assert time.monotonic() < deadline_s
                time.sleep(0.2)
            (job_id,) = re.findall(r"(raysubmit_\w+) runs on ", Path(log.name).read_text())
            stop = [str(FACEML.with_name("ray")), "job", "stop", "--address", head.address, job_id]
            subprocess.run(stop, env=head.environment, capture_output=True, timeout=120, check=True)
        assert following.returncode == 1
        said = f"{job_id} was stopped. The same command continues from what is finished."
        assert Path(log.name).read_text().splitlines()[-1] == said
        assert read_metrics(run)[: len(begun)] == begun
        texts = [path for path in run.rglob("*") if path.suffix in (".yaml", ".json", ".jsonl")]
        assert texts
        assert not [path for path in texts if HEAD_TOKEN in path.read_text()]
        seen = latest_checkpoint(run)
        begun = read_metrics(run)[: seen - 1]  # the last may have been on its way


def latest_checkpoint(run: Path) -> int:
    """Return the epoch of the latest checkpoint, 0 if there is none."""
    return max((int(folder.name[-6:]) for folder in run.glob("checkpoints/checkpoint_epoch_*")), default=0)


def test_submit__another_token_is_refused_on_one_line(head: HeadNode, folder: Path, tmp_path: Path) -> None:
    settings = (f"data.root={tmp_path / 'faces'}", f"output.table={tmp_path / 'table'}")
    done = submitted(head, folder, "extract", "extract_landmarks.yaml", *settings, token="another")
    assert done.returncode == 1
    assert re.fullmatch(rf"--address {head.address}: .*Invalid authentication token.*\n", done.stderr)


def test_submit__a_cluster_open_to_anybody_is_refused_unless_told_otherwise_and_its_loss_is_told(
    folder: Path, faces: Path, tmp_path: Path
) -> None:
    with HeadNode() as open_head:
        environment = {n: v for n, v in open_head.environment.items() if n != "RAY_AUTH_MODE"}
        config = ("--config", str(folder / "configs" / "synth.yaml"))
        words = command(open_head, folder, "synth", f"output.root={tmp_path / 'drawn'}", options=config)
        done = subprocess.run(
            words, env=environment, cwd="/", capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"--address {open_head.address}: accepts jobs without authentication.")
        many = ["--set", "splits={train: 100000}", "--set", f"output.root={tmp_path / 'many'}"]
        following = subprocess.Popen(
            [sys.executable, "-c", IMPATIENT, *words[1:], *many, "--without-token"],
            env=environment,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline_s = time.monotonic() + 60
        while not (tmp_path / "many").exists():
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        open_head.kill()
        _, said = following.communicate(timeout=120)
        assert following.returncode == 1
        assert said.splitlines()[-1].startswith(f"--address {open_head.address}: ")
        assert "Traceback" not in said
