"""Objective of face recognition, recomputed on one and two workers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD

from faceml.config.sections.model import ModelConfig
from faceml.datasets.labelled_faces import FaceSample
from faceml.datasets.person_dataset import IDENTITY, AlignedPreprocessing
from faceml.datasets.targets import Target
from faceml.losses.angular_margin import AdaFace, ArcFace
from faceml.models.recognition import IdentityHead, build_face_resnet
from faceml.training.recognition_objective import RecognitionObjective
from faceml.training.step import TrainingStep
from tests.default_tasks import rows_of, with_target
from tests.two_workers import run_on_two_workers

PEOPLE, FACES, SIDE_PX = 5, 8, 32
SCALE, MARGIN = 16.0, 0.3
PERSONS = torch.tensor([0, 0, 1, 1, 2, 2, 2, 4])


def objective(margin_warmup_epochs: int = 0) -> RecognitionObjective:
    """The same one each time; its batch norms know what they know, so that faces do not touch each other."""
    torch.manual_seed(3)
    made = RecognitionObjective(
        build_face_resnet(ModelConfig(embedding_dim=16)),
        IdentityHead(16, PEOPLE),
        ArcFace(SCALE, MARGIN),
        AlignedPreprocessing(SIDE_PX),
        margin_warmup_epochs,
    ).train()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.Dropout):
            module.eval()
    return made


def batch() -> FaceSample:
    generator = torch.Generator().manual_seed(4)
    return FaceSample(
        torch.rand(FACES, 3, SIDE_PX, SIDE_PX, generator=generator),
        {IDENTITY: Target(PERSONS, torch.ones(FACES, dtype=torch.bool))},
        torch.arange(FACES),
    )


def cosines_of(made: RecognitionObjective) -> np.ndarray:
    """Between the faces and the centres, in float64."""
    with torch.no_grad():
        faces = made.model(made.preprocessing.normalize(batch().image)).double().numpy()
    centers = made.head.centers.detach().double().numpy()
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (faces, centers)]
    return np.asarray(unit[0] @ unit[1].T)


@pytest.mark.parametrize(
    ("warmup", "epoch", "margin"), [(0, 1, MARGIN), (3, 1, 0.0), (3, 2, 0.1), (3, 9, MARGIN)]
)
def test_recognition_objective__is_cross_entropy_with_the_margin_of_the_epoch(
    warmup: int, epoch: int, margin: float
) -> None:
    made = objective(warmup)
    made.on_epoch_start(epoch)
    cosines, own = cosines_of(made), (np.arange(FACES), PERSONS.numpy())
    logits = SCALE * cosines
    logits[own] = SCALE * np.cos(np.arccos(cosines[own]) + margin)
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[own])
    assert made(batch()).total.item() == pytest.approx(expected, rel=1e-4)


def test_training_step__one_left_out_leaves_the_average_norms_of_adaface_as_they_were() -> None:
    made = objective()
    made.margin = AdaFace()
    step = TrainingStep(made, made, SGD(made.parameters(), 0.01, fused=True))
    image = batch().image
    image[0, 0, 0, 0] = float("inf")  # as an activation that overflows in fp16
    for faces, is_done in ((batch()._replace(image=image), False), (batch(), True)):
        before = (made.margin.mean_norm.clone(), made.margin.std_norm.clone())
        assert bool(step([faces]).is_done) is is_done
        assert ((made.margin.mean_norm, made.margin.std_norm) == before) is not is_done
    assert made.margin.mean_norm.isfinite()


def test_epoch_metrics__count_the_faces_nearest_to_their_own_centre_since_the_epoch_began() -> None:
    made = objective()
    for _ in range(2):
        made.on_epoch_start(1)
        made(batch())
        made(batch())
        right = np.mean(cosines_of(made).argmax(axis=1) == PERSONS.numpy())
        assert made.epoch_metrics()["train/accuracy"].item() == pytest.approx(right)


def test_compute_diagnostics__measures_cosines_and_images_per_person() -> None:
    made = objective()
    figures, cosines = made.compute_diagnostics(made(batch())), cosines_of(made)
    is_own = np.zeros_like(cosines, dtype=bool)
    is_own[np.arange(FACES), PERSONS.numpy()] = True
    assert figures["train/cosine_own"] == pytest.approx(cosines[is_own].mean(), abs=1e-5)
    assert figures["train/cosine_others"] == pytest.approx(cosines[~is_own].mean(), abs=1e-5)
    assert figures["train/cosine_deviation"] == pytest.approx(cosines.std(axis=1, ddof=1).mean(), abs=1e-5)
    assert figures["train/images_per_person"] == FACES / 4


def nearest(made: RecognitionObjective, faces: FaceSample, *, is_right: bool) -> torch.Tensor:
    """Return the person of the nearest centre for each face, or another person."""
    with torch.no_grad():
        cosines, _ = made.head(made.model(made.preprocessing.normalize(faces.image)))
    return (cosines.argmax(dim=1) + (0 if is_right else 1)) % PEOPLE


def work(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    half = rows_of(batch(), slice(4 * rank, 4 * rank + 4))
    module = DistributedDataParallel(objective())
    total = module(half).total
    total.backward()
    gradients = {name: parameter.grad for name, parameter in module.module.named_parameters()}
    module(with_target(half, IDENTITY, values=nearest(module.module, half, is_right=rank == 0)))
    metrics = module.module.epoch_metrics()
    torch.save({"total": total.detach(), "gradients": gradients, "metrics": metrics}, folder / f"{rank}.pt")
    distributed.destroy_process_group()


def test_recognition_objective__two_workers_train_as_one_with_the_whole_batch(tmp_path: Path) -> None:
    run_on_two_workers(work, tmp_path)
    results = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    whole = objective()
    right = float((nearest(whole, batch(), is_right=True) == PERSONS).sum())
    for result in results:  # 4 of the second 8 faces are right, all of them those of the first worker
        assert float(result["metrics"]["train/accuracy"]) == pytest.approx((right + 4) / 16)
    total = whole(batch()).total
    total.backward()
    mean = (results[0]["total"] + results[1]["total"]) / 2
    torch.testing.assert_close(mean, total.detach(), rtol=1e-5, atol=1e-6)
    for name, parameter in whole.named_parameters():
        for result in results:
            torch.testing.assert_close(result["gradients"][name], parameter.grad, rtol=1e-4, atol=1e-6)
