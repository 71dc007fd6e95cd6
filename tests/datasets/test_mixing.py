"""MixUp and CutMix: images and shares are recomputed, and follow their distribution."""

import pytest
import torch
from scipy import stats

from faceml.config.train import MixingConfig
from faceml.datasets.mixing import ImageMixing, build_mixing, rectangles

SIDE = 16


def images(number: int) -> torch.Tensor:
    """Images in one colour each, float32 of shape (B, 3, S, S)."""
    return torch.arange(number).float()[:, None, None, None].expand(number, 3, SIDE, SIDE).contiguous()


def test_mixup__is_the_weighted_mean_of_both_images() -> None:
    torch.manual_seed(0)
    originals = torch.rand(64, 3, SIDE, SIDE)
    mixed, (partners, shares) = ImageMixing("mixup", 1.0, 1.0)(originals)
    for i in range(64):
        expected = shares[i] * originals[i] + (1 - shares[i]) * originals[partners[i]]
        torch.testing.assert_close(mixed[i], expected)
    assert sorted(partners.tolist()) == list(range(64))


def test_cutmix__shares_are_the_areas_that_are_left() -> None:
    torch.manual_seed(0)
    mixed, (partners, shares) = ImageMixing("cutmix", 1.0, 1.0)(images(256))
    for i in range(256):
        is_own = mixed[i, 0] == i
        if partners[i] != i:
            assert shares[i] == pytest.approx(float(is_own.float().mean()), abs=1e-6)
        assert torch.equal(mixed[i, 0][~is_own], torch.full((int((~is_own).sum()),), float(partners[i])))


def test_rectangles__have_the_area_and_the_centre_that_are_asked_for() -> None:
    (cut,) = rectangles(torch.tensor([0.75]), torch.tensor([0.5]), torch.tensor([0.25]), SIDE)
    rows, columns = cut.nonzero().unbind(dim=1)
    assert (int(rows.min()), int(rows.max())) == (0, 7)
    assert (int(columns.min()), int(columns.max())) == (4, 11)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixup__shares_follow_the_beta_distribution(alpha: float) -> None:
    torch.manual_seed(1)
    _, (_, shares) = ImageMixing("mixup", alpha, 1.0)(torch.zeros(4000, 3, 1, 1))
    # float32 rounds shares near 1 to 1, so that the tails are compared at a distance from it.
    inside = shares[(shares > 0.001) & (shares < 0.999)].double().numpy()
    low, high = (stats.beta.cdf(edge, alpha, alpha) for edge in (0.001, 0.999))
    assert len(inside) / 4000 == pytest.approx(high - low, abs=0.03)
    found = stats.kstest(inside, lambda x: (stats.beta.cdf(x, alpha, alpha) - low) / (high - low))
    assert found.pvalue > 0.001


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_image_mixing__mixes_as_often_as_it_is_told(kind: str) -> None:
    torch.manual_seed(2)
    originals = images(4000)
    mixing = build_mixing(MixingConfig(kind=kind, alpha=4.0, probability=0.3))
    assert mixing is not None
    mixed, (_, shares) = mixing(originals)
    assert float((shares < 1).float().mean()) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(mixed[shares == 1], originals[shares == 1])


def test_image_mixing__a_seed_gives_the_same_mix() -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(ImageMixing("cutmix", 1.0, 1.0)(images(8))[0])
    assert torch.equal(*found)
