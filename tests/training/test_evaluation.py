import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from faceml.datasets.face_dataset import FaceSample
from faceml.datasets.preprocessing import Preprocessing
from faceml.models.multitask import FaceOutputs
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.training.evaluation import Evaluation

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
        return FaceOutputs(self.logits[numbers], self.landmarks[numbers], torch.empty(0))


def samples(has_landmarks: Tensor, sizes: list[int]) -> tuple[FaceSample, list[FaceSample]]:
    generator = torch.Generator().manual_seed(0)
    images = torch.arange(FACES, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
    labels = torch.tensor([0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 2])
    landmarks = torch.rand(FACES, 10, 2, generator=generator)
    landmarks[~has_landmarks] = 0
    whole = FaceSample(images, labels, landmarks, has_landmarks, torch.arange(FACES))
    return whole, [
        FaceSample(*part) for part in zip(*(torch.split(values, sizes) for values in whole), strict=True)
    ]


def test_evaluation__agrees_with_the_definitions_over_uneven_batches() -> None:
    preprocessing, landmark_set = Preprocessing(4), LANDMARK_SETS[10]
    has_landmarks = torch.arange(FACES) % 3 > 0
    whole, batches = samples(has_landmarks, [5, 5, 1])
    generator = torch.Generator().manual_seed(1)
    model = Memory(torch.randn(FACES, 8, generator=generator), torch.rand(FACES, 10, 2, generator=generator),
                   preprocessing)  # fmt: skip
    model.logits[:4, :4] += 6 * torch.eye(4)
    evaluation = Evaluation(preprocessing, landmark_set, 8, torch.device("cpu"))
    found, confusion = evaluation(model.train(), iter(batches))  # type: ignore[arg-type]

    labels, predicted = whole.label.numpy(), model.logits.argmax(1).numpy()
    f1 = []
    for label in set(labels) | set(predicted):
        hits = ((labels == label) & (predicted == label)).sum()
        f1.append(2 * hits / ((labels == label).sum() + (predicted == label).sum()))
    logits = model.logits.double().numpy()
    losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(FACES), labels]
    rows = has_landmarks.numpy()
    truth, guess = whole.landmarks.double().numpy()[rows], model.landmarks.double().numpy()[rows]
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
    np.testing.assert_array_equal(confusion.counts, expected)
    assert evaluation(model, batches).metrics == found, "every call starts afresh"  # type: ignore[arg-type]


def test_evaluation__without_any_landmarks_their_metrics_are_nan() -> None:
    whole, _ = samples(torch.zeros(FACES, dtype=torch.bool), [FACES])
    model = Memory(torch.randn(FACES, 8), torch.rand(FACES, 10, 2), Preprocessing(4))
    evaluation = Evaluation(Preprocessing(4), LANDMARK_SETS[10], 8, torch.device("cpu"))
    found = evaluation(model, [whole]).metrics  # type: ignore[arg-type]
    assert math.isnan(found["landmark_mse"])
    assert math.isnan(found["nme_interocular"])
    assert 0 <= found["accuracy"] <= 1
