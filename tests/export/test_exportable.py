"""Loading of checkpoints of both trainings for export."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from faceml.config.config_error import ConfigError
from faceml.config.sections.model import ModelConfig
from faceml.datasets.person_dataset import AlignedPreprocessing
from faceml.export.exportable import load_exportable
from faceml.images.alignment import ARCFACE_TEMPLATE
from faceml.models.recognition import FaceResNet
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.tasks.classes import AFFECTNET8
from faceml.training.checkpoint import read_state, write_state
from tests.random_model import MESH, OTHERS, PAIR, write_random_model


def recognition_checkpoint(network: FaceResNet) -> dict[str, Any]:
    """What `faceml transfer` leaves."""
    return {
        "model_state_dict": network.state_dict(),
        "config": {
            "model": {"backbone": "resnet18", "weights": "imagenet", "embedding_dim": 16, "stem_stride": 1},
            "data": {"image_size": 48},
        },
        "preprocessing": AlignedPreprocessing(48).fingerprint(),
        "metrics": {},
    }


@pytest.fixture(scope="module")
def network() -> FaceResNet:
    torch.manual_seed(0)
    return FaceResNet(ModelConfig(embedding_dim=16, stem_stride=1)).eval()


def test_load_exportable__of_recognition_has_one_output_and_says_that_faces_are_aligned(
    network: FaceResNet, tmp_path: Path
) -> None:
    write_state(recognition_checkpoint(network), tmp_path / "best_model.pt")
    exportable = load_exportable(tmp_path / "best_model.pt")
    assert not exportable.tasks
    assert exportable.graph.outputs == ("embedding",)
    assert exportable.preprocessing == AlignedPreprocessing(48)
    assert "landmarks onto the template" in exportable.metadata["input"]
    assert json.loads(exportable.metadata["preprocessing"])["template"] == ARCFACE_TEMPLATE.tolist()
    assert "labels" not in exportable.metadata
    squares = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        (found,) = exportable.graph.compute_outputs(squares)
        expected = network(squares)
    torch.testing.assert_close(found, expected / expected.norm(dim=1, keepdim=True))


def test_load_exportable__recognition_of_another_template_is_refused(
    network: FaceResNet, tmp_path: Path
) -> None:
    checkpoint = recognition_checkpoint(network)
    checkpoint["preprocessing"]["template"][0][0] += 1.0
    write_state(checkpoint, tmp_path / "best_model.pt")
    with pytest.raises(ConfigError, match=r"trained with preprocessing\.template .* where this faceml has"):
        load_exportable(tmp_path / "best_model.pt")


def test_load_exportable__expressions_of_another_preprocessing_are_refused(
    checkpoint: Path, tmp_path: Path
) -> None:
    content = read_state(checkpoint)
    content["preprocessing"]["resize"] = "crop"
    write_state(content, tmp_path / "best_model.pt")
    with pytest.raises(ConfigError, match=r"preprocessing\.resize crop where this faceml has stretch"):
        load_exportable(tmp_path / "best_model.pt")


def test_load_exportable__another_file_is_refused(tmp_path: Path) -> None:
    write_state({"state_dict": {}}, tmp_path / "best_model.pt")
    with pytest.raises(ConfigError, match="is no model of `faceml train`"):
        load_exportable(tmp_path / "best_model.pt")


def test_load_exportable__of_the_default_tasks_has_outputs_and_metadata_as_before(tmp_path: Path) -> None:
    write_random_model(tmp_path / "best_model.pt", PAIR, 32)
    exportable = load_exportable(tmp_path / "best_model.pt")
    assert exportable.graph.outputs == ("probabilities", "logits", "landmarks", "embedding")
    assert exportable.metadata.keys() == {
        *("faceml_version", "preprocessing", "input", "labels", "landmark_names", "tasks")
    }
    assert json.loads(exportable.metadata["labels"]) == list(AFFECTNET8)
    assert json.loads(exportable.metadata["landmark_names"]) == list(LANDMARK_SETS[5].names)


def test_load_exportable__of_other_tasks_has_neither_labels_nor_landmark_names(tmp_path: Path) -> None:
    write_random_model(tmp_path / "best_model.pt", OTHERS | MESH, 32)
    exportable = load_exportable(tmp_path / "best_model.pt")
    assert exportable.graph.outputs == (
        *("happy_probabilities", "happy_logits", "units_probabilities", "units_logits"),
        *("affect", "eyes", "embedding"),
    )
    assert not exportable.metadata.keys() & {"labels", "landmark_names"}
    assert json.loads(exportable.metadata["tasks"])["eyes"] == {
        "kind": "landmarks",
        "outputs": ["eyes"],
        "points": ["mesh_33", "mesh_133", "mesh_362", "mesh_263"],
    }
