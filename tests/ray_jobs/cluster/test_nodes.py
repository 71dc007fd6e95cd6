"""Nodes that join a cluster while a job runs, and nodes that leave it."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from faceml.config.extract import ExtractConfig
from faceml.config.loading import assign_keys, dump_config, load_config, parse_config
from faceml.config.train import TrainConfig
from faceml.config.tune import TuneConfig
from faceml.runs.files import read_metrics
from faceml.synthetic.generate import generate_faces
from faceml.tables.landmark_table import read_table
from ray_jobs.search import tuning
from ray_jobs.search.searcher import trial_folders
from ray_jobs.tables import extraction
from ray_jobs.training import multitask, recognition
from tests.job import Job
from tests.nodes import Node, Nodes
from tests.ray_jobs.search.test_tuning_kills import await_checkpoint, search
from tests.ray_jobs.training.test_multitask_kills import (
    assert_same_end,
    checkpoints_of,
    records_of,
    settings_of,
)
from tests.ray_jobs.training.test_recognition import config_of

IMAGES = 2000
DETECTOR = r"faceml\.landmarks\.extractor_main"
TRAIN_WORKER = r"ray::.*RayTrainWorker"
TRIAL = r"ray::.*ImplicitFunc"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many faces, of few people."""
    root = tmp_path_factory.mktemp("crowd")
    generate_faces(root / "drawn", "affectnet", {"train": 40}, image_size_px=96, seed=5, processes=1)
    for number, face in enumerate(sorted((root / "drawn" / "train").rglob("*.jpg"))):
        for copy in range(IMAGES // 40):
            target = root / "faces" / face.parent.name / f"{number:03}_{copy:02}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.hardlink_to(face)
    return root / "faces"


def extraction_settings(crowd: Path, table: Path) -> list[str]:
    settings = ("storage.shared=true", "output.images_per_shard=20", "quality.least_plausible=0")
    return [f"data.root={crowd}", f"output.table={table}", *settings]


def wait_for(happened: Callable[[], bool], job: Job) -> None:
    deadline_s = time.monotonic() + 120
    while not happened():
        assert job.process.poll() is None, job.finish()
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def cpu_s(pid: int) -> float:
    """Return the seconds that a process has computed for; 0 if it has ended."""
    fields: list[str] = []
    with suppress(OSError):
        fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100 if fields else 0.0


def test_extract__uses_a_node_that_joins(crowd: Path, tmp_path: Path, start: Callable[..., Job]) -> None:
    table = tmp_path / "table"
    with Nodes(num_cpus=1) as nodes:
        job = start("extract", *extraction_settings(crowd, table), environment=nodes.environment)
        wait_for(lambda: len(list(table.glob("*.parquet"))) >= 2, job)
        joined = nodes.add()
        wait_for(lambda: bool(joined.processes(DETECTOR)), job)
        detectors = [node.processes(DETECTOR)[0] for node in (nodes.head, joined)]
        wait_for(lambda: cpu_s(detectors[1]) > 1.5, job)  # to start takes less
        since = at_last = [cpu_s(detector) for detector in detectors]
        while job.process.poll() is None and all(Path("/proc", str(pid)).exists() for pid in detectors):
            at_last = [max(before, cpu_s(pid)) for before, pid in zip(at_last, detectors, strict=True)]
            time.sleep(0.05)
        assert "Results:" in job.finish()
    assert len(read_table(table, ["image_id"])) == IMAGES
    head, other = (now - before for now, before in zip(at_last, since, strict=True))
    assert other / (head + other) > 0.3, "of the work that was left when it had joined"


def test_extract__a_node_that_leaves_takes_nothing_with_it(
    crowd: Path, tmp_path: Path, ray_cluster: None, start: Callable[..., Job]
) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    plain = {"data": {"root": str(crowd)}, "output": {"table": str(undisturbed)}}
    extraction.run(parse_config(ExtractConfig, plain))
    with Nodes(num_cpus=1) as nodes:
        leaving: Node = nodes.add()
        job = start("extract", *extraction_settings(crowd, disturbed), environment=nodes.environment)
        wait_for(lambda: len(list(disturbed.glob("*.parquet"))) >= 4, job)
        assert leaving.processes(DETECTOR)
        leaving.kill()
        assert "Results:" in job.finish()
    assert read_table(disturbed).equals(read_table(undisturbed))


def test_train__a_node_that_leaves_changes_nothing_but_the_time(
    noisy_faces: Path, tmp_path: Path, ray_cluster: None, start: Callable[..., Job]
) -> None:
    few = ("scaling.num_train_workers=2", "training.epochs=5")
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    plain = [*settings_of(noisy_faces, undisturbed), *few]
    multitask.run(load_config(TrainConfig, Path("configs/multitask_affectnet.yaml"), plain))
    settings = [*settings_of(noisy_faces, disturbed), *few, "storage.shared=true"]
    first = records_at_the_loss_of_a_node("train", settings, disturbed, start)[0]
    assert_same_end(disturbed, undisturbed)
    # The time that an epoch took tells that it is the same one, not trained again.
    assert read_metrics(disturbed)[0] == first


def test_transfer__a_node_that_leaves_changes_nothing_but_the_time(
    people: Path, tmp_path: Path, start: Callable[..., Job]
) -> None:
    few = {"scaling.num_train_workers": 2, "data.people_per_batch": 3, "training.epochs": 4}
    configs = [config_of(people, tmp_path / name, **few) for name in ("undisturbed", "disturbed")]
    undisturbed, disturbed = (Path(config.run.folder) for config in configs)
    recognition.run(configs[0])
    file = tmp_path / "disturbed.yaml"
    file.write_text(dump_config(configs[1]), encoding="utf-8")
    options = {"options": ("--config", str(file))}
    first = records_at_the_loss_of_a_node("transfer", ["storage.shared=true"], disturbed, start, **options)[0]
    assert records_of(disturbed) == records_of(undisturbed)
    assert read_metrics(disturbed)[0] == first
    found, expected = (
        torch.load(run / "best_model.pt", weights_only=True) for run in (disturbed, undisturbed)
    )
    torch.testing.assert_close(found["model_state_dict"], expected["model_state_dict"], rtol=0, atol=0)
    # Each driver scores the pairs with as many threads as it has, which add up in another order.
    found, expected = (pq.read_table(run / "pairs.parquet") for run in (disturbed, undisturbed))
    assert found.drop_columns("score").equals(expected.drop_columns("score"))
    np.testing.assert_allclose(found["score"], expected["score"], rtol=0, atol=1e-6)


def records_at_the_loss_of_a_node(
    name: str, settings: list[str], run: Path, start: Callable[..., Job], **options: Any
) -> list[dict[str, Any]]:
    """Let a training of two workers lose the node of one, and go on on another; return what it had told."""
    with Nodes(num_cpus=1) as nodes:
        others = [nodes.add(), nodes.add()]  # one more than is needed
        job = start(name, *settings, environment=nodes.environment, **options)
        wait_for(lambda: len(checkpoints_of(run)) >= 2, job)
        records = read_metrics(run)
        leaving = next(node for node in others if node.processes(TRAIN_WORKER))
        leaving.kill()
        assert "Results:" in job.finish()
    return records


def test_require_resources__waits_for_nodes_that_are_started_on_demand(
    faces: Path, noisy_faces: Path, tmp_path: Path, start: Callable[..., Job]
) -> None:
    """From none at all, which an extraction does not wait for, to one for each of two workers."""
    images = (f"data.root={faces / 'val'}", f"output.table={tmp_path / 'table'}")
    few = ("training.epochs=1", "scaling.num_train_workers=2", "scaling.wait_for_nodes_s=100")
    with Nodes(num_cpus=0, on_demand=1) as nodes:
        job = start("extract", *images, environment=nodes.environment)
        assert "the cluster has several nodes" in job.finish(), "of which this one has no CPU"
        job = start("extract", *images, "storage.shared=true", environment=nodes.environment)
        assert "Results:" in job.finish()
        settings = [*settings_of(noisy_faces, tmp_path / "run"), *few, "storage.shared=true"]
        job = start("train", *settings, environment=nodes.environment)
        output = job.finish()
    assert len(read_table(tmp_path / "table")) == 32
    assert "Waiting up to 100 s for nodes with 2 CPU" in output
    assert "Results:" in output
    assert len(read_metrics(tmp_path / "run")) == 1


def test_tune__a_trial_goes_on_when_its_node_leaves(
    faces: Path, tables: Path, tmp_path: Path, start: Callable[..., Job]
) -> None:
    undisturbed = search(faces, tables, tmp_path / "undisturbed", trials=2)
    tuning.run(undisturbed)
    plain = search(faces, tables, tmp_path / "disturbed", trials=2).model_dump(mode="json")
    disturbed = parse_config(TuneConfig, assign_keys(plain, {"train.storage.shared": True}))
    file = tmp_path / "disturbed.yaml"
    file.write_text(dump_config(disturbed), encoding="utf-8")
    with Nodes(num_cpus=1) as nodes:
        leaving = nodes.add()
        job = start("tune", options=("--config", str(file)), environment=nodes.environment)
        wait_for(lambda: bool(leaving.processes(TRIAL)), job)
        await_checkpoint(job, disturbed, ended=0)
        leaving.kill()
        assert "Results:" in job.finish()
    found, expected = (
        {trial.name: [record["val/accuracy"] for record in trial.records] for trial in trials}
        for trials in (trial_folders(Path(c.run.folder, "trials")) for c in (disturbed, undisturbed))
    )
    assert found == expected
