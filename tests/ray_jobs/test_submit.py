"""Jobs on a cluster that is reached over HTTP and asks for a token: real submission, real ends."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from faceml.datasets.landmark_table import read_table
from faceml.run_files import read_metrics, read_summary
from tests.head_node import HeadNode, new_token

REPOSITORY = Path(__file__).parents[2]
FACEML = Path(sys.executable).with_name("faceml")
TOKEN = new_token()


@pytest.fixture(scope="module")
def head() -> Iterator[HeadNode]:
    with HeadNode(token=TOKEN) as node:
        yield node


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
    head: HeadNode, folder: Path, job: str, config: str, *settings: str, token: str = TOKEN
) -> subprocess.CompletedProcess[str]:
    """Submit a job from another folder than the one that is uploaded, and wait for its end."""
    words = command(head, folder, job, *settings, options=("--config", str(folder / "configs" / config)))
    environment = head.environment | {"RAY_AUTH_TOKEN": token}
    done = subprocess.run(
        words, env=environment, cwd="/", capture_output=True, text=True, timeout=300, check=False
    )
    assert TOKEN not in done.stdout + done.stderr
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
    settings = (f"data.root={faces / 'val'}", f"output.table={table}")
    done = submitted(head, folder, "extract", "extract_landmarks.yaml", *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"Results: {table}_run"
    assert len(read_table(table, ["image_id"])) == 32
    uploaded = [path.name for path in head.temp_dir.glob("**/working_dir_files/*/*")]
    assert "configs" in uploaded
    assert "faces" not in uploaded


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
        assert not [path for path in texts if TOKEN in path.read_text()]


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
        (["output.table=tables/val"], "output.table = "),
    ],
    ids=["found before it is submitted", "found there", "would be lost there"],
)
def test_submit__ends_with_the_status_and_the_line_of_the_job(
    settings: list[str], told: str, head: HeadNode, folder: Path, faces: Path
) -> None:
    given = settings if "data.root" in settings[0] else [f"data.root={faces / 'val'}", *settings]
    done = submitted(head, folder, "extract", "extract_landmarks.yaml", *given)
    assert done.returncode == 2, done.stdout + done.stderr
    assert [told in line for line in (done.stdout + done.stderr).splitlines()].count(True) == 1


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
        said = f"{job_id} was stopped. The same command goes on where it was."
        assert Path(log.name).read_text().splitlines()[-1] == said
        assert read_metrics(run)[: len(begun)] == begun
        seen = latest_checkpoint(run)
        begun = read_metrics(run)[: seen - 1]  # the last may have been on its way


def latest_checkpoint(run: Path) -> int:
    """Return the epoch of the latest checkpoint, 0 if there is none."""
    return max((int(folder.name[-6:]) for folder in run.glob("checkpoints/checkpoint_epoch_*")), default=0)


def test_submit__another_token_is_refused_on_one_line(head: HeadNode, folder: Path) -> None:
    done = submitted(head, folder, "extract", "extract_landmarks.yaml", token="another")
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
        assert done.stderr.startswith(
            f"--address {open_head.address}: takes jobs from anybody who reaches it."
        )
        done = subprocess.run(
            [*words, "--set", "splits={train: 8}", "--without-token"],
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert len(list((tmp_path / "drawn").rglob("*.jpg"))) == 8
        many = [*words, "--set", "splits={train: 100000}", "--set", f"output.root={tmp_path / 'many'}"]
        following = subprocess.Popen(
            [*many, "--without-token"],
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
