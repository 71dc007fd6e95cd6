"""A study of two arms on Ray: its results compared with those of its trainings, and its continuation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from faceml.config.config_error import ConfigError
from faceml.config.loading import assign_keys, parse_config
from faceml.config.study import StudyConfig, build_arm_config, with_checked_arms
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from faceml.training.recognition import build_people
from faceml.training.verification.embedding_network import load_embedding_network
from faceml.training.verification.scoring import score_split
from ray_jobs.search import study
from tests.browser.page import faults_of

pytestmark = pytest.mark.usefixtures("ray_cluster")


def config_of(people: Path, folder: str | Path, **arms: dict[str, Any]) -> StudyConfig:
    splits = {
        split: {"table": str(people / "tables" / split), "images": str(people / "faces" / split)}
        for split in ("train", "val")
    }
    plain = {
        "recognition": {
            "data": {
                **splits,
                "image_size": 32,
                "people_per_batch": 4,
                "images_per_person": 3,
                "pairs": {"number": 100},
            },
            "model": {"backbone": "narrow", "embedding_dim": 32},
            "margin": {"kind": "arcface", "scale": 16.0, "margin": 0.2},
            "training": {"epochs": 2},
            "run": {"folder": place_below(folder, "unused")},
        },
        "arms": arms or {"naive": {"data.sampling": "naive"}, "together": {"data.sampling": "pk"}},
        "seeds": [0, 1],
        "targets": [0.51, 0.99],
        "trial": {"cpus": 2, "checkpoint_every_s": 0},  # one after the other, in one process
        "run": {"folder": place_below(folder, "study"), "keep_models": True},
    }
    return parse_config(StudyConfig, plain)


def scores_of_kept_model(config: StudyConfig, arm: str, seed: int) -> Any:
    """Score the study's pairs with the model that it has kept of a training."""
    people = build_people(build_arm_config(with_checked_arms(config), arm, seed, config.run.folder).data)
    trial = place_below(config.run.folder, "trials", f"{arm}_seed_{seed}")
    network = load_embedding_network(place_below(trial, "best_model.pt"))
    assert network.is_final
    return score_split(network.model, people.val, people.pairs, 12, torch.device("cpu"))[0].scores


@pytest.mark.parametrize("is_in_store", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_run__compares_the_arms_and_goes_on_on_another_machine(
    is_in_store: bool,
    people: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parent = request.getfixturevalue("s3_uri")() if is_in_store else tmp_path
    plain = config_of(people, parent).model_dump(mode="json")
    small = {"recognition.optimizer": {"name": "sgd", "momentum": 0.0}}  # small checkpoints
    config = parse_config(StudyConfig, assign_keys(plain, small))
    folder = StorageFolder(config.run.folder)
    monkeypatch.setenv("FACEML_CACHE", str(tmp_path / "first"))
    found, runs = study.run(config)
    assert {(run.arm, run.seed) for run in runs} == {(a, s) for a in ("naive", "together") for s in (0, 1)}
    assert {run.error for run in runs} == {None}
    assert {tuple(run.images) for run in runs} == {(72, 144)}, "72 images an epoch, whatever the sampling"
    assert folder.files() == ["config.yaml", "data.json", "report.html", "summary.json"]
    summary = json.loads(folder.read("summary.json"))
    for arm in config.arms:
        of_seeds = [run.accuracies[-1] for run in runs if run.arm == arm]
        assert summary["arms"][arm]["accuracy"] == pytest.approx(np.mean(of_seeds))
        low, high = summary["arms"][arm]["interval"]
        assert low <= summary["arms"][arm]["accuracy"] <= high
    (verdict,) = summary["verdicts"]
    assert "naive" in verdict
    assert "together" in verdict
    content = folder.read("report.html")
    assert isinstance(content, bytes)
    (tmp_path / "report.html").write_bytes(content)
    assert faults_of(tmp_path / "report.html") == []
    page = content.decode()
    assert verdict.replace("−", "&#8722;") in page or verdict in page
    console = Console(width=140, record=True, quiet=True)
    study.show(found, runs, config, console)

    (last,) = (run for run in runs if (run.arm, run.seed) == ("together", 1))
    assert last.pairs is not None
    np.testing.assert_allclose(scores_of_kept_model(config, "together", 1), last.pairs.scores, atol=1e-5)

    # As if it had been interrupted before the last training had told its end.
    kept = [folder.read(f"trials/{arm}_seed_1/metrics.jsonl") for arm in config.arms]
    folder.delete("report.html")
    folder.delete("trials/together_seed_1/outcome.json")
    folder.delete("trials/together_seed_1/metrics.jsonl")
    monkeypatch.setenv("FACEML_CACHE", str(tmp_path / "second"))
    _, again = study.run(config)
    assert [run.accuracies for run in again] == [run.accuracies for run in runs]
    assert folder.read("trials/naive_seed_1/metrics.jsonl") == kept[0]
    assert folder.read("trials/together_seed_1/metrics.jsonl") != kept[1], "epochs of another length"
    assert folder.files() == ["config.yaml", "data.json", "report.html", "summary.json"]

    # A further arm joins the finished study; the other trainings are not run again.
    naive = folder.read("trials/naive_seed_0/metrics.jsonl")
    arms = {**config.arms, "softmax": {"margin.margin": 0.0}}
    larger, runs = study.run(config.model_copy(update={"arms": arms}))
    assert len(runs) == 6
    assert len(larger.comparisons) == 3
    assert folder.read("trials/naive_seed_0/metrics.jsonl") == naive


def test_run__an_arm_that_cannot_start_is_refused_before_anything_is_trained(
    people: Path, tmp_path: Path
) -> None:
    config = config_of(people, tmp_path, one={}, other={"model.weights": str(tmp_path / "gone.pt")})
    with pytest.raises(ConfigError, match=r"arms.other.model.weights.*gone.pt"):
        study.run(config)
    assert not Path(config.run.folder).exists()
