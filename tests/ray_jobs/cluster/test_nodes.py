"""Nodes that join a cluster while a job runs, and nodes that leave it."""

import time
from collections.abc import Callable, Iterator
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
from faceml.extraction.plan import read_plan
from faceml.runs.files import read_metrics
from faceml.storage.folder import StorageFolder
from faceml.synthetic.generate import generate_faces
from faceml.tables.sorted_rows import read_table
from ray_jobs.search import tuning
from ray_jobs.search.searcher import trial_folders
from ray_jobs.tables import extraction
from ray_jobs.training import multitask, recognition
from tests.job import DETECTOR, Job
from tests.nodes import Nodes
from tests.poison import Poison, write_poison
from tests.ray_jobs.search.test_tuning_kills import await_checkpoint, search
from tests.ray_jobs.tables.test_extraction_kills import draw_crowd
from tests.ray_jobs.training.test_multitask_kills import (
    assert_same_end,
    checkpoints_of,
    records_of,
    settings_of,
)
from tests.ray_jobs.training.test_recognition import config_of

COPIES = 3
IN_HAND = 2
"""Shards that an actor has in hand: the one it is held up at, and the next."""
TRAIN_WORKER = r"ray::.*RayTrainWorker"
TRIAL = r"ray::.*ImplicitFunc"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some faces, one of which waits."""
    root = tmp_path_factory.mktemp("crowd")
    generate_faces(root / "drawn", "affectnet", {"train": 40}, image_size_px=96, seed=5, processes=1)
    draw_crowd(sorted((root / "drawn" / "train").rglob("*.jpg")), root / "faces", COPIES)
    return root / "faces"


@pytest.fixture(scope="module")
def module_poison(tmp_path_factory: pytest.TempPathFactory) -> Poison:
    return write_poison(tmp_path_factory.mktemp("poison"))


@pytest.fixture(scope="module")
def module_nodes(module_poison: Poison) -> Iterator[Nodes]:
    with Nodes(num_cpus=1, path=str(module_poison.folder)) as cluster:
        yield cluster


@pytest.fixture
def poison(module_poison: Poison) -> Poison:
    """What holds up a detector at the image that waits."""
    module_poison.reset()
    return module_poison


@pytest.fixture
def nodes(module_nodes: Nodes) -> Iterator[Nodes]:
    """The head of a cluster, to which a test adds nodes."""
    yield module_nodes
    module_nodes.remove_added()


def extraction_settings(crowd: Path, table: Path) -> list[str]:
    settings = ("storage.shared=true", "output.images_per_shard=10", "quality.least_plausible=0")
    return [f"data.root={crowd}", f"output.table={table}", "landmarker.timeout_s=600", *settings]


def wait_for(happened: Callable[[], bool], job: Job) -> None:
    deadline_s = time.monotonic() + 300
    while not happened():
        assert job.process.poll() is None, job.finish()
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def shards_of(table: Path) -> int:
    return len(list(table.glob("part-*.parquet")))


def test_extract__uses_a_node_that_joins(
    crowd: Path, tmp_path: Path, nodes: Nodes, poison: Poison, start: Callable[..., Job]
) -> None:
    """The first node is held up at an image: what it has not in hand is done by the node that joins."""
    table = tmp_path / "table"
    job = start("extract", *extraction_settings(crowd, table), environment=nodes.environment)
    wait_for(lambda: poison.holds, job)
    planned = read_plan(StorageFolder(table), [], [], tmp_path).unfinished.num_shards
    assert planned - shards_of(table) > IN_HAND
    nodes.add()
    wait_for(lambda: shards_of(table) == planned - IN_HAND, job)
    poison.release()
    assert "Results:" in job.finish()
    assert len(read_table(table, ["image_id"])) == 40 * COPIES + 1


@pytest.mark.soak
def test_extract__a_node_that_leaves_takes_nothing_with_it(
    crowd: Path, tmp_path: Path, ray_cluster: None, nodes: Nodes, poison: Poison, start: Callable[..., Job]
) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    plain = {"data": {"root": str(crowd)}, "output": {"table": str(undisturbed)}}
    extraction.run(parse_config(ExtractConfig, plain))
    leaving = nodes.add()
    job = start("extract", *extraction_settings(crowd, disturbed), environment=nodes.environment)
    wait_for(lambda: poison.holds and shards_of(disturbed) >= 2 and bool(leaving.processes(DETECTOR)), job)
    leaving.kill()
    poison.release()
    assert "Results:" in job.finish()
    assert read_table(disturbed).equals(read_table(undisturbed))


@pytest.mark.soak
def test_train__a_node_that_leaves_changes_nothing_but_the_time(
    noisy_faces: Path, tmp_path: Path, ray_cluster: None, nodes: Nodes, start: Callable[..., Job]
) -> None:
    few = ("scaling.num_train_workers=2", "training.epochs=5")
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    plain = [*settings_of(noisy_faces, undisturbed), *few]
    multitask.run(load_config(TrainConfig, Path("configs/multitask_affectnet.yaml"), plain))
    settings = [*settings_of(noisy_faces, disturbed), *few, "storage.shared=true"]
    first = records_at_the_loss_of_a_node(nodes, "train", settings, disturbed, start)[0]
    assert_same_end(disturbed, undisturbed)
    # The time that an epoch took tells that it is the same one, not trained again.
    assert read_metrics(disturbed)[0] == first


@pytest.mark.soak
def test_transfer__a_node_that_leaves_changes_nothing_but_the_time(
    people: Path, tmp_path: Path, nodes: Nodes, start: Callable[..., Job]
) -> None:
    few = {"scaling.num_train_workers": 2, "data.people_per_batch": 3, "training.epochs": 4}
    few["model.backbone"] = "resnet18"  # whose epochs last
    configs = [config_of(people, tmp_path / name, **few) for name in ("undisturbed", "disturbed")]
    undisturbed, disturbed = (Path(config.run.folder) for config in configs)
    recognition.run(configs[0])
    file = tmp_path / "disturbed.yaml"
    file.write_text(dump_config(configs[1]), encoding="utf-8")
    options = {"options": ("--config", str(file))}
    first = records_at_the_loss_of_a_node(
        nodes, "transfer", ["storage.shared=true"], disturbed, start, **options
    )[0]
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
    nodes: Nodes, name: str, settings: list[str], run: Path, start: Callable[..., Job], **options: Any
) -> list[dict[str, Any]]:
    """Let a training of two workers lose the node of one, and go on on another; return what it had told."""
    others = [nodes.add(), nodes.add()]  # one more than is needed
    job = start(name, *settings, environment=nodes.environment, **options)
    wait_for(lambda: len(checkpoints_of(run)) >= 2, job)
    records = read_metrics(run)
    leaving = next(node for node in others if node.processes(TRAIN_WORKER))
    leaving.kill()
    assert "Results:" in job.finish()
    return records


@pytest.mark.soak
def test_require_resources__waits_for_nodes_that_are_started_on_demand(
    faces: Path, noisy_faces: Path, tmp_path: Path, start: Callable[..., Job]
) -> None:
    """From none at all, which an extraction does not wait for, to one for each of two workers."""
    images = (f"data.root={faces / 'val'}", f"output.table={tmp_path / 'table'}")
    few = ("training.epochs=1", "scaling.num_train_workers=2", "scaling.wait_for_nodes_s=100")
    with Nodes(num_cpus=0, on_demand=1) as nodes:
        job = start("extract", *images, environment=nodes.environment)
        refused = f"data.root = {str(faces / 'val')!r} and 1 more: the cluster has several nodes"
        assert refused in job.finish(), "of which this one has no CPU"
        assert job.process.returncode == 2
        job = start("extract", *images, "storage.shared=true", environment=nodes.environment)
        assert "Results:" in job.finish()
        settings = [*settings_of(noisy_faces, tmp_path / "run"), *few, "storage.shared=true"]
        job = start("train", *settings, environment=nodes.environment)
        output = job.finish()
    assert len(read_table(tmp_path / "table")) == 32
    assert "Waiting up to 100 s for nodes with 2 × 1 CPU" in output
    assert "Results:" in output
    assert len(read_metrics(tmp_path / "run")) == 1


@pytest.mark.soak
def test_tune__a_trial_goes_on_when_its_node_leaves(
    faces: Path, tables: Path, tmp_path: Path, nodes: Nodes, start: Callable[..., Job]
) -> None:
    undisturbed = search(faces, tables, tmp_path / "undisturbed", trials=2)
    tuning.run(undisturbed)
    plain = search(faces, tables, tmp_path / "disturbed", trials=2).model_dump(mode="json")
    disturbed = parse_config(TuneConfig, assign_keys(plain, {"train.storage.shared": True}))
    file = tmp_path / "disturbed.yaml"
    file.write_text(dump_config(disturbed), encoding="utf-8")
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
