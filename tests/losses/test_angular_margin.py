"""Angular margins, recomputed in float64 from angles."""

import math

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from pytorch_metric_learning.losses import ArcFaceLoss, CosFaceLoss
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from faceml.config.sections.losses import MarginConfig
from faceml.losses.angular_margin import AdaFace, AngularMargin, ArcFace, CosFace, build_angular_margin

ANGLES_DEG = [0.0, 1.0, 30.0, 89.0, 91.0, 150.0, 152.0, 179.0, 180.0]


def logits_of_own(margin: AngularMargin, angles_deg: list[float], norms: Tensor | None = None) -> Tensor:
    """Logits to the own person, whose centre is at these angles, and to another at 60°; the own one's."""
    cosines = torch.tensor([[math.cos(math.radians(60.0)), math.cos(math.radians(a))] for a in angles_deg])
    labels = torch.ones(len(angles_deg), dtype=torch.int64)
    norms = torch.full((len(angles_deg),), 20.0) if norms is None else norms
    logits = margin(cosines, labels, norms)
    torch.testing.assert_close(logits[:, 0], torch.full((len(angles_deg),), margin.scale * 0.5))
    return logits[:, 1]


@pytest.mark.parametrize("easy", [False, True])
@pytest.mark.parametrize("m", [0.0, 0.3, 0.5])
def test_arcface__adds_the_margin_to_angles_placed_by_hand(m: float, easy: bool) -> None:
    found = logits_of_own(ArcFace(30.0, m, easy_margin=easy), ANGLES_DEG)
    for angle_deg, logit in zip(ANGLES_DEG, found.tolist(), strict=True):
        theta = math.radians(angle_deg)
        if easy:
            expected = math.cos(theta + m) if angle_deg < 90 else math.cos(theta)
        elif theta + m < math.pi:
            expected = math.cos(theta + m)
        else:
            expected = math.cos(theta) - m * math.sin(m)
        assert logit == pytest.approx(30.0 * expected, abs=30.0 * 4e-4), angle_deg  # 0° and 180° are clamped


def test_arcface__falls_with_the_angle_all_the_way_round() -> None:
    angles_deg = np.linspace(0.5, 179.5, 360).tolist()
    assert (logits_of_own(ArcFace(), angles_deg).diff() < 0).all()


@pytest.mark.parametrize(
    "margin", [ArcFace(), ArcFace(easy_margin=True), CosFace(), AdaFace()], ids=lambda m: type(m).__name__
)
def test_angular_margin__gradients_are_finite_where_a_face_is_its_centre_or_its_opposite(
    margin: AngularMargin,
) -> None:
    cosines = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0 + 1e-6, 0.0], [0.3, -1.0]], requires_grad=True)
    logits = margin(cosines, torch.zeros(4, dtype=torch.int64), torch.tensor([20.0, 1.0, 50.0, 30.0]))
    cross_entropy(logits, torch.zeros(4, dtype=torch.int64)).backward()
    assert cosines.grad is not None
    assert cosines.grad.isfinite().all()


def test_arcface__begins_at_the_loss_that_its_margin_makes() -> None:
    """Faces at right angles to all centres: the own logit is -s·sin m, the others 0 (s=64, C=10,575: 40)."""
    people, embeddings = 10_575, 512
    right_angles = torch.zeros(4, people)
    labels = torch.tensor([0, 7, 100, 10_574])
    loss = cross_entropy(ArcFace()(right_angles, labels, torch.ones(4)), labels)
    own = -64.0 * math.sin(0.5)
    assert float(loss) == pytest.approx(math.log(people - 1 + math.exp(own)) - own, rel=1e-5)
    torch.manual_seed(0)
    faces, centers = normalize(torch.randn(64, embeddings)), normalize(torch.randn(people, embeddings))
    labels = torch.randint(0, people, (64,))
    random = cross_entropy(ArcFace()(faces @ centers.T, labels, torch.ones(64)), labels)
    assert 42.0 < float(random) < 46.0, "random angles spread the logits by ±64/√512, which adds 4"


@pytest.mark.parametrize("spread", [0.02, 1.0])
def test_arcface_and_cosface__are_those_of_pytorch_metric_learning(spread: float) -> None:
    torch.manual_seed(3)
    people, dim = 12, 32
    centers = torch.randn(people, dim)
    labels = torch.randint(0, people, (40,))
    faces = centers[labels] + spread * torch.randn(40, dim)
    cosines = normalize(faces) @ normalize(centers).T
    references = {
        ArcFace(64.0, 0.5): ArcFaceLoss(people, dim, margin=math.degrees(0.5), scale=64),
        CosFace(64.0, 0.35): CosFaceLoss(people, dim, margin=0.35, scale=64),
    }
    for margin, reference in references.items():
        with torch.no_grad():
            reference.W.copy_(centers.T)
        expected = reference(faces, labels).item()
        found = float(cross_entropy(margin(cosines, labels, faces.norm(dim=1)), labels))
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_adaface__is_the_papers_formula_with_an_average_of_lengths() -> None:
    m, h, decay = 0.4, 0.333, 0.9
    margin = AdaFace(64.0, m, h, decay)
    mean, std = 20.0, 100.0
    rng = np.random.default_rng(0)
    for _ in range(3):
        norms = rng.uniform(5.0, 60.0, len(ANGLES_DEG))
        found = logits_of_own(margin, ANGLES_DEG, torch.tensor(norms, dtype=torch.float32))
        mean = decay * mean + (1 - decay) * norms.mean()
        std = decay * std + (1 - decay) * norms.std(ddof=1)
        quality = np.clip(h * (norms - mean) / (std + 0.001), -1, 1)
        theta = np.clip(np.radians(ANGLES_DEG) - m * quality, 0.001, math.pi - 0.001)
        expected = 64.0 * (np.cos(theta) - (m * quality + m))
        np.testing.assert_allclose(found.numpy(), expected, atol=64 * 5e-4)
    margin.eval()
    before = margin.mean_norm.clone()
    logits_of_own(margin, ANGLES_DEG)
    assert torch.equal(margin.mean_norm, before), "evaluation moves no average"


@pytest.mark.parametrize("kind", [ArcFace, CosFace])
def test_angular_margin__warms_up_from_none(kind: type[AngularMargin]) -> None:
    margin = kind(64.0, 0.4)
    margin.share = 0.0
    angles = [10.0, 100.0, 170.0]
    expected = torch.tensor([64.0 * math.cos(math.radians(angle)) for angle in angles])
    torch.testing.assert_close(logits_of_own(margin, angles), expected, atol=1e-4, rtol=1e-5)
    margin.share = 0.5
    torch.testing.assert_close(logits_of_own(margin, angles), logits_of_own(kind(64.0, 0.2), angles))


def test_angular_margin__stays_in_float32() -> None:
    cosines = torch.rand(4, 5, dtype=torch.bfloat16)
    assert ArcFace()(cosines, torch.zeros(4, dtype=torch.int64), torch.ones(4)).dtype == torch.float32


@pytest.mark.parametrize(
    ("config", "kind", "values"),
    [
        (
            {"kind": "arcface", "margin": 0.3, "easy_margin": True},
            ArcFace,
            {"margin": 0.3, "easy_margin": True},
        ),
        ({"kind": "cosface", "scale": 30}, CosFace, {"scale": 30.0, "margin": 0.35}),
        ({"kind": "adaface", "concentration": 0.5}, AdaFace, {"concentration": 0.5, "margin": 0.4}),
    ],
)
def test_build_angular_margin__takes_every_setting(
    config: dict[str, object], kind: type[AngularMargin], values: dict[str, object]
) -> None:
    made = build_angular_margin(TypeAdapter[MarginConfig](MarginConfig).validate_python(config))
    assert type(made) is kind
    assert {name: getattr(made, name) for name in values} == values
