"""Augmentation: images and landmarks are transformed together."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings, strategies as st
from torch import Tensor
from torchvision.transforms.v2 import functional

from faceml.config.train import AugmentationConfig
from faceml.datasets.augmentation import (
    FaceAugmentation,
    Moves,
    build_augmentation,
    frame,
    mirror_landmarks,
    move_landmarks,
    move_pixels,
    relight,
)
from faceml.datasets.preprocessing import IMAGENET_MEAN
from faceml.landmarks.detector import select_points
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.synthetic.expression import sample_expression
from faceml.synthetic.person import sample_person
from faceml.synthetic.render import render_face
from faceml.synthetic.scene import sample_scene
from faceml.tables.landmark_sets import LANDMARK_SETS

BLOB_SIGMA_PX = 2.0
FILL_RGB = [round(255 * channel) for channel in IMAGENET_MEAN]


def views(augmentation: FaceAugmentation, images: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Random views of faces: float32 of shape (B, 3, S, S) from 0 to 1, and their points."""
    flip = torch.tensor(LANDMARK_SETS[points.shape[1]].flip_permutation)
    moved, moves = augmentation(images)
    return moved, move_landmarks(points, moves, flip)


def view(augmentation: FaceAugmentation, image: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """A random view of one face: float32 of shape (3, S, S) from 0 to 1, and its points."""
    images, landmarks = views(augmentation, image[None], points[None])
    return images[0], landmarks[0]


def blob(x: float, y: float, side: int) -> Tensor:
    """A bright spot at normalised x and y on what fills uncovered corners, uint8 of shape (3, S, S)."""
    centers = (np.arange(side) + 0.5) / side
    distance_px = np.hypot(centers[None, :] - x, centers[:, None] - y) * side
    spot = 110 * np.exp(-0.5 * (distance_px / BLOB_SIGMA_PX) ** 2)
    return torch.from_numpy((np.array(FILL_RGB)[:, None, None] + spot).round().astype(np.uint8))


def centroid(image: Tensor) -> tuple[float, float]:
    """Where the spot is, in pixels from the image's top left corner."""
    weight = (255 * image.double() - torch.tensor(FILL_RGB)[:, None, None] - 1).clamp(min=0).sum(dim=0)
    centers = torch.arange(image.shape[-1]) + 0.5
    return float((weight.sum(0) * centers).sum() / weight.sum()), float(
        (weight.sum(1) * centers).sum() / weight.sum()
    )


coordinate = st.floats(0.05, 0.95)


@given(data=st.data(), number=st.sampled_from([5, 10]), side=st.integers(96, 128))
@settings(max_examples=150)
def test_face_augmentation__a_point_stays_on_its_spot(data: st.DataObject, number: int, side: int) -> None:
    landmark_set = LANDMARK_SETS[number]
    flipped = data.draw(st.booleans())
    augmentation = FaceAugmentation(
        flip_probability=float(flipped),
        rotation_deg=data.draw(st.floats(0, 180)),
        translation=data.draw(st.floats(0, 0.3)),
        scale=(data.draw(st.floats(0.7, 1)), data.draw(st.floats(1, 1.5))),
    )
    points = torch.tensor(
        data.draw(st.lists(st.tuples(coordinate, coordinate), min_size=number, max_size=number))
    )
    before = data.draw(st.integers(0, number - 1))
    torch.manual_seed(data.draw(st.integers(0, 2**32)))
    image, moved = view(augmentation, blob(float(points[before, 0]), float(points[before, 1]), side), points)
    # In a mirror the left eye takes the place of the right one.
    after = landmark_set.flip_permutation.index(before) if flipped else before
    x, y = (moved[after] * side).tolist()
    margin = 5 * BLOB_SIGMA_PX
    assume(margin < x < side - margin and margin < y < side - margin)
    found_x, found_y = centroid(image)
    assert np.hypot(found_x - x, found_y - y) < 0.6


def test_face_augmentation__names_stay_true_in_a_mirror() -> None:
    for landmark_set in LANDMARK_SETS.values():
        points = torch.full((len(landmark_set), 2), 0.5)
        lefts = [
            i for i, name in enumerate(landmark_set.names) if name.startswith(("left_eye", "mouth_left"))
        ]
        rights = [
            i for i, name in enumerate(landmark_set.names) if name.startswith(("right_eye", "mouth_right"))
        ]
        points[lefts, 0], points[rights, 0] = 0.2, 0.7
        _, mirrored = view(FaceAugmentation(flip_probability=1.0), blob(0.5, 0.5, 32), points)
        torch.testing.assert_close(mirrored[lefts, 0], torch.full((len(lefts),), 0.3))
        torch.testing.assert_close(mirrored[rights, 0], torch.full((len(rights),), 0.8))


def test_face_augmentation__mirrors_as_often_as_it_is_told() -> None:
    augmentation = FaceAugmentation(flip_probability=0.3)
    torch.manual_seed(0)
    image = blob(0.25, 0.5, 32)
    flips = sum(centroid(view(augmentation, image, torch.zeros(5, 2))[0])[0] > 16 for _ in range(300))
    assert 60 <= flips <= 120


def test_face_augmentation__reaches_but_never_exceeds_its_ranges() -> None:
    augmentation = FaceAugmentation(
        flip_probability=0.0, rotation_deg=20.0, translation=0.1, scale=(0.8, 1.25)
    )
    square = torch.tensor([[0.5, 0.5], [0.75, 0.5], [0.5, 0.75], [0.25, 0.5], [0.5, 0.25]])
    torch.manual_seed(0)
    moved = views(augmentation, blob(0.5, 0.5, 100).expand(200, -1, -1, -1), square.expand(200, -1, -1))[1]
    shifts = moved[:, 0] - 0.5
    arms = moved[:, 1] - moved[:, 0]
    turns = torch.rad2deg(torch.atan2(arms[:, 1], arms[:, 0]))
    zooms = arms.norm(dim=1) / 0.25
    assert 0.09 < shifts.abs().max() < 0.1 + 1e-5
    assert -20 <= turns.min() < -18
    assert 18 < turns.max() <= 20
    assert 0.8 - 1e-5 <= zooms.min() < 0.83
    assert 1.2 < zooms.max() <= 1.25 + 1e-5


def test_face_augmentation__light_changes_pixels_and_no_landmarks() -> None:
    image, points = blob(0.3, 0.6, 64), torch.rand(5, 2)
    augmentation = FaceAugmentation(flip_probability=0.0, brightness=0.4, contrast=0.4)
    torch.manual_seed(1)
    lit, same = view(augmentation, image, points)
    torch.testing.assert_close(same, points)
    assert (lit - image / 255).abs().max() > 0.02
    assert (lit.shape, lit.dtype) == (image.shape, torch.float32)
    brightest = int(lit.sum(0).argmax())
    assert (brightest % 64, brightest // 64) == pytest.approx((0.3 * 64, 0.6 * 64), abs=1)


def test_face_augmentation__without_ranges_changes_nothing() -> None:
    image, points = blob(0.3, 0.6, 64), torch.rand(5, 2)
    same_image, same_points = view(FaceAugmentation(flip_probability=0.0), image, points)
    torch.testing.assert_close(same_image, image / 255, atol=1e-5, rtol=0)
    torch.testing.assert_close(same_points, points)


def test_face_augmentation__missing_landmarks_stay_missing_and_do_not_spread() -> None:
    augmentation = FaceAugmentation(0.5, 30.0, 0.2, (0.8, 1.2), 0.2, 0.2)
    points = torch.rand(5, 2)
    points[2] = torch.nan
    for seed in range(5):
        torch.manual_seed(seed)
        _, moved = view(augmentation, blob(0.5, 0.5, 32), points)
        assert moved.isnan().sum(dim=1).tolist() == [0, 0, 2, 0, 0]
        assert type(moved) is Tensor
        assert moved.dtype == torch.float32


def test_face_augmentation__points_may_leave_the_picture() -> None:
    augmentation = FaceAugmentation(0.0, scale=(2.0, 2.0))
    _, moved = view(augmentation, blob(0.5, 0.5, 32), torch.tensor([[0.0, 1.0]] * 5))
    torch.testing.assert_close(moved, torch.tensor([[-0.5, 1.5]] * 5))


def test_face_augmentation__the_same_seed_gives_the_same_view() -> None:
    augmentation = build_augmentation(AugmentationConfig())
    image, points = blob(0.4, 0.4, 64), torch.rand(10, 2)
    seen = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        seen.append(view(augmentation, image, points))
    for one, other, third in zip(*seen, strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one, third)


def test_build_augmentation__takes_every_setting() -> None:
    config = AugmentationConfig(
        flip_probability=0.0, rotation_deg=0, translation=0, scale=(1, 1), brightness=0, contrast=0
    )
    image, points = blob(0.4, 0.4, 64), torch.rand(5, 2)
    same_image, same_points = view(build_augmentation(config), image, points)
    torch.testing.assert_close(same_image, image / 255, atol=1e-5, rtol=0)
    torch.testing.assert_close(same_points, points)
    changes = {"flip_probability": 1.0, "rotation_deg": 90.0, "translation": 0.5, "scale": (2, 3)}
    for name, value in (changes | {"brightness": 0.9, "contrast": 0.9}).items():
        changed = build_augmentation(config.model_copy(update={name: value}))
        torch.manual_seed(0)
        images, _ = changed(image.expand(8, -1, -1, -1))
        assert (images - image / 255).abs().max() > 0.02, name


@pytest.mark.parametrize("number", [5, 10])
def test_mirror_landmarks__agrees_with_what_mediapipe_finds_in_a_mirrored_face(
    number: int, detector: MediaPipeDetector
) -> None:
    landmark_set = LANDMARK_SETS[number]
    flip = torch.tensor(landmark_set.flip_permutation)
    errors = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        image, _ = render_face(sample_person(rng), sample_expression(seed, rng), sample_scene(rng), 256)
        found = torch.from_numpy(select_points(detector.detect(image)[0].mesh, landmark_set))
        expected = mirror_landmarks(found, flip)
        mirrored = np.ascontiguousarray(image[:, ::-1])
        again = select_points(detector.detect(mirrored)[0].mesh, landmark_set)
        left, right = (expected[list(eye)].mean(0) for eye in (landmark_set.left_eye, landmark_set.right_eye))
        assert left[0] < right[0]
        errors.append(np.linalg.norm(again - expected.numpy(), axis=1).mean() / float((right - left).norm()))
    assert np.mean(errors) < 0.04


@pytest.mark.parametrize(
    ("brightness", "contrast"), [(1.3, 1.0), (0.7, 1.0), (1.0, 1.4), (1.0, 0.6), (0.8, 1.2)]
)
def test_relight__agrees_with_torchvision(brightness: float, contrast: float) -> None:
    pixels = torch.randint(51, 153, (2, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    images = pixels / 255  # none is clipped
    expected = functional.adjust_contrast(functional.adjust_brightness(images, brightness), contrast)
    lit = torch.empty_like(images)
    relight(pixels.to(torch.uint8), torch.full((2, 1), brightness), torch.full((2, 1), contrast), lit)
    torch.testing.assert_close(lit, expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("fill", [(0.0, 0.0, 0.0), (0.5, 0.25, 0.75)])
def test_move_pixels__agrees_with_torchvision(fill: tuple[float, float, float]) -> None:
    images = torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    cos, sin = 1.1 * np.cos(np.radians(17.0)), 1.1 * np.sin(np.radians(17.0))
    turns = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float32).expand(3, 2, 2)
    shifts = torch.tensor([0.1, -0.05]).expand(3, 2)
    flips = torch.tensor([False, True, False])
    color = torch.tensor(fill)[:, None, None]
    framed, inside = frame(images, color)
    inside.copy_(images)
    moved = move_pixels(framed, Moves(flips, turns, shifts))
    for image, flipped, found in zip(images, flips, moved, strict=True):
        source = image.flip(-1) if flipped else image
        bilinear = functional.InterpolationMode.BILINEAR
        # It fills with zeros; its own `fill` counts pixels at the edge twice.
        moved_from_fill = functional.affine(source - color, 17.0, [4.0, -2.0], 1.1, [0.0, 0.0], bilinear)
        torch.testing.assert_close(found, moved_from_fill + color, atol=1e-4, rtol=0)


def test_face_augmentation__every_face_of_a_batch_has_its_own_view() -> None:
    augmentation = FaceAugmentation(0.5, 30.0, 0.1, (0.9, 1.1), 0.2, 0.2)
    torch.manual_seed(0)
    images, landmarks = views(
        augmentation, blob(0.4, 0.6, 32).expand(8, -1, -1, -1), torch.rand(5, 2).expand(8, 5, 2)
    )
    assert len({tuple(points.ravel().tolist()) for points in landmarks}) == 8
    assert len({tuple(image.ravel().tolist()) for image in images}) == 8


def test_face_augmentation__erases_rectangles_of_the_area_that_is_asked_for() -> None:
    torch.manual_seed(5)
    augmentation = FaceAugmentation(0.0, erasing_probability=0.4, erasing_area=(0.1, 0.3))
    images = torch.full((2000, 3, 40, 40), 255, dtype=torch.uint8)
    erased, _ = augmentation(images)
    fill = torch.tensor(IMAGENET_MEAN)[:, None, None]
    is_erased = (erased < 0.6).all(dim=1)  # sampling makes no pixel of the edge darker than that
    assert torch.equal(erased[0][:, is_erased[0]], fill[:, 0].expand(3, int(is_erased[0].sum())))
    areas = is_erased.float().mean(dim=(1, 2))
    assert float((areas > 0).float().mean()) == pytest.approx(0.4, abs=0.04)
    # Uniform from 0.1 to 0.3 but for pixels at the edges and for rectangles longer than the image.
    assert 0.07 < float(areas[areas > 0].min()) < 0.12
    assert float(areas.max()) < 0.33
    assert float(areas[areas > 0].mean()) == pytest.approx(0.2, abs=0.01)
    rows, columns = is_erased.any(dim=2).sum(dim=1), is_erased.any(dim=1).sum(dim=1)
    assert torch.equal(is_erased.sum(dim=(1, 2)), rows * columns)


def test_face_augmentation__without_erasing_draws_the_same_random_numbers() -> None:
    images = torch.randint(256, (4, 3, 16, 16), dtype=torch.uint8)
    found = []
    for probability in (0.0, 1.0):
        torch.manual_seed(6)
        _, moves = FaceAugmentation(0.5, 20.0, 0.1, erasing_probability=probability)(images)
        found.append(moves)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
