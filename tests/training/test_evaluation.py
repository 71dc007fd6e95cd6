import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from faceml.config.sections.tasks import parse_tasks
from faceml.datasets.labelled_faces import FaceSample
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.targets import Target
from faceml.models.multitask import FaceOutputs
from faceml.tasks.build import build_tasks
from faceml.training.evaluation import Evaluation
from tests.default_tasks import default_pair, pair_batch, rows_of

FACES = 11


class Memory(nn.Module):
    """Says what it was told about the face whose number is painted in the image."""

    def __init__(self, logits: Tensor, landmarks: Tensor, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.logits, self.landmarks, self.preprocessing = logits, landmarks, preprocessing

    def forward(self, images: Tensor) -> FaceOutputs:
        assert not self.training
        assert not torch.is_grad_enabled()
        red = images[:, 0, 0, 0] * self.preprocessing.std[0] + self.preprocessing.mean[0]
        numbers = (red * 255).round().long()
        outputs = {"expression": self.logits[numbers], "landmarks": self.landmarks[numbers]}
        return FaceOutputs(outputs, torch.empty(0))


def samples(has_landmarks: Tensor, sizes: list[int]) -> tuple[FaceSample, list[FaceSample]]:
    generator = torch.Generator().manual_seed(0)
    images = torch.arange(FACES, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
    labels = torch.tensor([0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 2])
    landmarks = torch.rand(FACES, 10, 2, generator=generator)
    landmarks[~has_landmarks] = 0
    whole, ends = pair_batch(images, labels, landmarks, has_landmarks), np.cumsum(sizes).tolist()
    return whole, [rows_of(whole, slice(end - size, end)) for size, end in zip(sizes, ends, strict=True)]


def test_evaluation__agrees_with_the_definitions_over_uneven_batches() -> None:
    preprocessing = Preprocessing(4)
    has_landmarks = torch.arange(FACES) % 3 > 0
    whole, batches = samples(has_landmarks, [5, 5, 1])
    generator = torch.Generator().manual_seed(1)
    model = Memory(torch.randn(FACES, 8, generator=generator), torch.rand(FACES, 10, 2, generator=generator),
                   preprocessing)  # fmt: skip
    model.logits[:4, :4] += 6 * torch.eye(4)
    evaluation = Evaluation(preprocessing, default_pair(10), torch.device("cpu"))
    found, arrays = evaluation(model.train(), iter(batches))  # type: ignore[arg-type]

    labels, predicted = whole.targets["expression"].values.numpy(), model.logits.argmax(1).numpy()
    f1 = []
    for label in set(labels) | set(predicted):
        hits = ((labels == label) & (predicted == label)).sum()
        f1.append(2 * hits / ((labels == label).sum() + (predicted == label).sum()))
    logits = model.logits.double().numpy()
    losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(FACES), labels]
    rows = has_landmarks.numpy()
    truth = whole.targets["landmarks"].values.double().numpy()[rows]
    guess = model.landmarks.double().numpy()[rows]
    eyes = np.linalg.norm(truth[:, [0, 1]].mean(1) - truth[:, [2, 3]].mean(1), axis=1)
    nme = (np.linalg.norm(guess - truth, axis=2).mean(1) / eyes).mean()
    assert found["accuracy"] == pytest.approx((labels == predicted).mean())
    assert found["macro_f1"] == pytest.approx(np.mean(f1))
    assert found["loss_expression"] == pytest.approx(losses.mean(), rel=1e-5)
    assert found["landmark_mse"] == pytest.approx(((guess - truth) ** 2).mean(), rel=1e-5)
    assert found["nme_interocular"] == pytest.approx(nme, rel=1e-5)
    assert all(isinstance(value, float) for value in found.values())
    expected = np.zeros((8, 8), dtype=int)
    np.add.at(expected, (labels, predicted), 1)
    assert arrays == {"confusion_matrix": expected.tolist()}
    assert evaluation(model, batches).metrics == found, "every call starts afresh"  # type: ignore[arg-type]


def test_evaluation__without_any_landmarks_their_metrics_are_nan() -> None:
    whole, _ = samples(torch.zeros(FACES, dtype=torch.bool), [FACES])
    model = Memory(torch.randn(FACES, 8), torch.rand(FACES, 10, 2), Preprocessing(4))
    evaluation = Evaluation(Preprocessing(4), default_pair(10), torch.device("cpu"))
    found = evaluation(model, [whole]).metrics  # type: ignore[arg-type]
    assert math.isnan(found["landmark_mse"])
    assert math.isnan(found["nme_interocular"])
    assert 0 <= found["accuracy"] <= 1


def test_evaluation__names_metrics_by_their_tasks_and_gives_arrays_apart() -> None:
    tasks = build_tasks(
        parse_tasks(
            {
                "train": {"kind": "regression", "target": ["valence", "arousal"]},
                "units": {"kind": "multilabel", "target": ["au01", "au02"]},
            }
        )
    )
    targets = {
        "train": Target(torch.zeros(4, 2), torch.ones(4, dtype=torch.bool)),
        "units": Target(torch.tensor([[0.0, 1.0]] * 4), torch.ones(4, dtype=torch.bool)),
    }
    batch = FaceSample(torch.zeros(4, 3, 4, 4, dtype=torch.uint8), targets, torch.arange(4))
    outputs = FaceOutputs({"train": torch.full((4, 2), 0.5), "units": torch.ones(4, 2)}, torch.empty(0))

    class Constant(nn.Module):
        def forward(self, images: Tensor) -> FaceOutputs:
            return outputs

    evaluation = Evaluation(Preprocessing(4), tasks, torch.device("cpu"))
    found, arrays = evaluation(Constant(), [batch])  # type: ignore[arg-type]
    assert found["train/mae"] == pytest.approx(0.5)
    assert found["train/mae_valence"] == pytest.approx(0.5)
    assert found["units/accuracy"] == pytest.approx(0.5)
    assert arrays == {"units/label_counts": [[[0, 4], [0, 0]], [[0, 0], [0, 4]]]}
