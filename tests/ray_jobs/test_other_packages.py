"""A kind of task and a backbone that separate packages add, through the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
import pytest
import torch

from tests.docs.command_server import command_server
from tests.job import REPOSITORY, python_path

KIND = REPOSITORY / "tests" / "ordinal_kind"
BACKBONE = REPOSITORY / "tests" / "flat_backbone"
LEVELS = 3
Command = Callable[..., str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder into which pip has installed both packages."""
    folder = tmp_path_factory.mktemp("site")
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    sources = list[str]()
    for package in (KIND, BACKBONE):
        source = tmp_path_factory.mktemp("source")
        for file in package.glob("*.*"):
            (source / file.name).write_bytes(file.read_bytes())
        sources.append(str(source))
    subprocess.run([sys.executable, *install, "--target", str(folder), *sources], check=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def faceml(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Function that runs a command beside the installed packages, and returns its output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"PYTHONPATH": python_path(str(site)), "RAY_ADDRESS": "local"}

    with command_server(tmp_path_factory.mktemp("server") / "socket", path=str(site)) as words:

        def run(command: str, *settings: str, expected: int = 0) -> str:
            ended = subprocess.run(
                [*words, command, *(part for each in settings for part in ("--set", each))],
                env=environment,
                cwd=REPOSITORY,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert ended.returncode == expected, ended.stderr[-3000:]
            return ended.stderr if expected else ended.stdout

        yield run


@pytest.fixture(scope="module")
def settings(noisy_faces: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Settings of a training that learns the level of each face beside its landmarks."""
    folder = tmp_path_factory.mktemp("levels")
    places = []
    for split in ("train", "val"):
        rows = pq.read_table(noisy_faces / "tables" / split, columns=["image_id", "folder"]).to_pylist()
        lines = [f"{row['image_id']},{int(row['folder']) * LEVELS // 8}" for row in rows]
        (folder / f"{split}.csv").write_text("\n".join(["image_id,level", *lines]) + "\n")
        places += [f"data.{split}.table={noisy_faces}/tables/{split}"]
        places += [f"data.{split}.images={noisy_faces}/images/{split}"]
        places += [f"data.{split}.labels={folder}/{split}.csv"]
    tasks = {
        "level": {"kind": "ordinal", "target": "level", "levels": LEVELS},
        "landmarks": {"kind": "landmarks"},
    }
    rest = ["data.labels=null", "data.image_size=32", "model.backbone=flat", "model.weights=none"]
    rest += ["model.stem_stride=1", "optimizer.layer_decay=0.5"]
    rest += ["scaling.use_gpu=false", "scaling.cpus_per_worker=1", "training.batch_size_per_worker=32"]
    rest += ["training.epochs=2", "training.warmup_epochs=0", "data.loader_processes=0"]
    return [*places, *rest, f"tasks={json.dumps(tasks)}", "selection={metric: level/mae}"]


def test_packages__with_a_kind_and_a_backbone_train_evaluate_predict_and_export(
    faceml: Command, settings: list[str], noisy_faces: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    faceml("train", *settings, f"run.folder={run}")
    summary = json.loads((run / "summary.json").read_text())
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert summary["best"]["val/level/mae"] == min(record["val/level/mae"] for record in records)
    assert "train/loss_level" in records[0]
    weights = torch.load(run / "best_model.pt", weights_only=True)["model_state_dict"]
    assert weights["backbone.0.0.weight"].shape == (32, 3, 3, 3)

    model, labels = f"model={run}/best_model.pt", settings[5].removeprefix("data.val.")
    split = [
        f"data.table={noisy_faces}/tables/val",
        f"data.images={noisy_faces}/images/val",
        f"data.{labels}",
    ]
    faceml("evaluate", model, *split, f"run.folder={tmp_path}/evaluation", "use_gpu=false")
    evaluated = json.loads((tmp_path / "evaluation" / "summary.json").read_text())
    assert evaluated["level/mae"] == pytest.approx(summary["best"]["val/level/mae"], rel=1e-4)

    images = noisy_faces / "images" / "val" / "0"
    output = tmp_path / "predictions.jsonl"
    faceml("predict", f"data.paths=[{images}]", model, f"output.file={output}", "faces.kind=whole")
    face = json.loads(output.read_text().splitlines()[0])["faces"][0]
    assert len(face["level"]) == LEVELS - 1
    assert face["level"][0] >= face["level"][1], "one score for both thresholds"

    faceml("export", model, f"run.folder={tmp_path}/export", "formats=[onnx]", "data=null", "quantize=null")
    session = onnxruntime.InferenceSession(str(tmp_path / "export" / "model.onnx"))
    pixels = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    (level,) = session.run(["level"], {"images": pixels})
    assert level.shape == (1, LEVELS - 1)


@pytest.mark.soak
def test_packages__with_a_kind_and_a_backbone_are_searched(
    faceml: Command, settings: list[str], tmp_path: Path
) -> None:
    train = [setting if setting.startswith("train.") else f"train.{setting}" for setting in settings]
    search = {"weighting.kind": {"kind": "grid", "values": ["fixed", "uncertainty"]}}
    more = [
        f"search={json.dumps(search)}",
        "metric=null",
        "num_trials=1",
        "searcher.kind=grid",
        "scheduler.kind=none",
    ]
    faceml("tune", *train, *more, f"run.folder={tmp_path}/search", "trial.gpus=0")
    summary = json.loads((tmp_path / "search" / "summary.json").read_text())
    assert [trial["metric"] for trial in summary["trials"]] == ["val/level/mae"] * 2


def test_kind__that_no_package_has_is_refused_with_those_that_there_are(
    faceml: Command, settings: list[str], tmp_path: Path
) -> None:
    unknown = ['tasks={"level": {"kind": "ordinl", "target": "level"}}', f"run.folder={tmp_path}/run"]
    told = faceml("train", *settings[:-2], *unknown, expected=2)
    assert (
        "kind: 'ordinl' is not known; there are classification, multilabel, regression, landmarks, ordinal"
        in told
    )


def test_backbone__that_no_package_has_is_refused_with_those_that_there_are(
    faceml: Command, settings: list[str], tmp_path: Path
) -> None:
    told = faceml("train", *settings, "model.backbone=flt", f"run.folder={tmp_path}/run", expected=2)
    assert "'flt': must be resnet18, resnet50, iresnet18, iresnet50, iresnet100, flat, or timm/NAME" in told


def test_backbones__shows_the_package() -> None:
    page = (REPOSITORY / "docs" / "how-to" / "backbones.md").read_text(encoding="utf-8")
    assert (BACKBONE / "faceml_flat.py").read_text(encoding="utf-8") in page


def test_add_a_task__shows_the_package() -> None:
    page = (REPOSITORY / "docs" / "how-to" / "add-a-task.md").read_text(encoding="utf-8")
    code = (KIND / "faceml_ordinal.py").read_text(encoding="utf-8")
    assert code in page
    assert (KIND / "pyproject.toml").read_text(encoding="utf-8") in page
    assert sum(bool(line.strip()) for line in code.splitlines()) < 60
