"""Synthetic faces: reproducible, exact, and laid out as their readers expect."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from faceml.config.config_error import ConfigError
from faceml.images.decoding import decode_image, difference_hash
from faceml.synthetic.anatomy import shape_face
from faceml.synthetic.expression import PROTOTYPES, Expression, sample_expression
from faceml.synthetic.generate import generate_faces, list_portraits
from faceml.synthetic.person import Person, sample_person
from faceml.synthetic.render import five_of_ten, render_face
from faceml.synthetic.scene import Scene, sample_scene
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.tables.schema import read_metadata
from faceml.tables.sorted_rows import read_table
from faceml.tasks.classes import AFFECTNET8


def _person(seed: int = 0) -> Person:
    return sample_person(np.random.default_rng(seed))


def _landmarks(expression: Expression, scene: Scene, seed: int = 0) -> npt.NDArray[np.float32]:
    return render_face(_person(seed), expression, scene, 64)[1]


def _files(root: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*.*")) if file.is_file()
    }


def test_render_face__same_parameters_give_the_same_bits() -> None:
    rng = np.random.default_rng(3)
    expression, scene = sample_expression(1, rng), sample_scene(rng)
    first, again = (render_face(_person(), expression, scene, 96) for _ in range(2))
    assert first[0].shape == (96, 96, 3)
    assert first[0].dtype == np.uint8
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])


def test_render_face__landmarks_do_not_depend_on_the_image_size() -> None:
    scene = sample_scene(np.random.default_rng(4))
    small, large = (render_face(_person(), Expression(), scene, size)[1] for size in (48, 350))
    assert np.array_equal(small, large)


def test_render_face__pictures_of_two_sizes_show_the_same() -> None:
    scene = replace(sample_scene(np.random.default_rng(4)), noise=0.0, blur=0.0)
    large, small = (render_face(_person(), Expression(), scene, size)[0].astype(float) for size in (512, 128))
    shrunk = large.reshape(128, 4, 128, 4, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - small).mean() < 4.0


@pytest.mark.parametrize("roll_deg", [-17.0, 5.0, 20.0])
def test_render_face__roll_turns_landmarks_clockwise_by_that_angle(roll_deg: float) -> None:
    scene = Scene(yaw_deg=6.0, pitch_deg=-3.0, center_x=0.48, center_y=0.53)
    upright = _landmarks(Expression(), scene)
    rolled = _landmarks(Expression(), replace(scene, roll_deg=roll_deg))
    angle = np.deg2rad(roll_deg)
    # With y down, (x, y) -> (x cos - y sin, x sin + y cos) turns clockwise as the viewer sees it.
    x, y = (upright - (scene.center_x, scene.center_y)).T
    expected = np.stack(
        [x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)], axis=1
    )
    assert np.allclose(rolled, expected + np.array([scene.center_x, scene.center_y]), atol=1e-6)


def test_render_face__yaw_and_pitch_move_the_nose_right_and_up() -> None:
    nose = LANDMARK_SETS[10].names.index("nose_tip")
    ahead = _landmarks(Expression(), Scene())[nose]
    assert _landmarks(Expression(), Scene(yaw_deg=10.0))[nose, 0] > ahead[0] + 0.02
    assert _landmarks(Expression(), Scene(pitch_deg=8.0))[nose, 1] < ahead[1] - 0.02


def test_render_face__landmarks_are_where_colours_are_painted() -> None:
    scene = Scene(noise=0.0)
    person = replace(_person(), glasses=False, beard="none", freckles=0)
    size = 700
    image, landmarks = render_face(person, Expression(), scene, size)
    red = image[..., 0].astype(float) - image[..., 1].astype(float)
    names = LANDMARK_SETS[10].names
    x, top = landmarks[names.index("mouth_top")] * size
    bottom = landmarks[names.index("mouth_bottom")][1] * size
    # Down the middle of the mouth: skin, then redder lips between the two points, then skin.
    column = red[:, round(x)]
    inside = column[round(top) + 3 : round(bottom) - 3].mean()
    assert inside > column[round(top) - 10 : round(top) - 4].mean() + 5.0
    assert inside > column[round(bottom) + 4 : round(bottom) + 10].mean() + 5.0


def test_five_of_ten__agrees_with_the_ten_points() -> None:
    ten = _landmarks(Expression(corner_left=0.7), sample_scene(np.random.default_rng(1)))
    five = five_of_ten(ten)
    expected = [(ten[0] + ten[1]) / 2, (ten[2] + ten[3]) / 2, ten[4], ten[6], ten[7]]
    assert np.allclose(five, expected, atol=1e-7)


def test_landmarks__face_at_rest_is_symmetric() -> None:
    points = shape_face(_person(), Expression()).landmarks()
    flipped = points[list(LANDMARK_SETS[10].flip_permutation)] * (-1.0, 1.0, 1.0)
    assert np.allclose(points, flipped, atol=1e-12)


def test_landmarks__left_is_the_viewers_left() -> None:
    ten = _landmarks(Expression(), Scene())
    assert np.all(np.diff(ten[:4, 0]) > 0.0)
    assert ten[6, 0] < ten[7, 0]
    assert ten[8, 1] < ten[9, 1]


def test_prototypes__cover_every_expression_with_different_geometry() -> None:
    assert tuple(PROTOTYPES) == AFFECTNET8
    person = _person()
    faces = [shape_face(person, variants[0]) for variants in PROTOTYPES.values()]
    shapes = [
        np.vstack(
            [
                *(eye.upper_lid for eye in face.eyes),
                *face.brows,
                face.mouth.upper_inner,
                face.mouth.lower_inner,
            ]
        )
        for face in faces
    ]
    for i in range(len(shapes)):
        for j in range(i):
            # In parts of the distance between the eyes.
            assert np.abs(shapes[i] - shapes[j]).max() > 0.08, (AFFECTNET8[i], AFFECTNET8[j])


def test_sample_expression__contempt_lifts_one_corner_only() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        expression = sample_expression(AFFECTNET8.index("contempt"), rng)
        low, high = sorted((expression.corner_left, expression.corner_right))
        assert low < 0.2
        assert high > 0.35


def test_sample_person__people_differ_and_seeds_repeat() -> None:
    assert _person(5) == _person(5)
    assert len({_person(seed) for seed in range(50)}) == 50


def test_generate_faces__affectnet_layout_and_table(tmp_path: Path) -> None:
    progress: list[int] = []
    root = tmp_path / "faces"
    total = generate_faces(
        root, "affectnet", {"train": 17, "val": 9}, image_size_px=64, on_progress=progress.append
    )
    assert total == sum(progress) == 26
    assert sorted(path.name for path in root.iterdir()) == ["landmarks", "train", "val"]
    assert sorted(path.name for path in (root / "train").iterdir()) == [str(label) for label in range(8)]
    table = read_table(root / "landmarks" / "train")
    read_metadata(table.schema, "here")
    rows = table.to_pylist()
    images = {path.relative_to(root / "train").as_posix() for path in (root / "train").rglob("*.jpg")}
    assert {row["image_id"] for row in rows} == images
    assert len(rows) == 17
    for row in rows:
        data = (root / "train" / row["image_id"]).read_bytes()
        image = decode_image(data)
        assert not isinstance(image, str)
        assert row["content_sha256"] == hashlib.sha256(data).digest()
        assert image.shape == (row["height"], row["width"], 3) == (64, 64, 3)
        assert (row["status"], row["num_faces"]) == ("ok", 1)
        assert row["folder"] == row["image_id"].split("/")[0]
        ten = np.array(row["landmarks_10"], dtype=np.float32).reshape(10, 2)
        assert np.array_equal(np.array(row["landmarks_5"], dtype=np.float32).reshape(5, 2), five_of_ten(ten))
        assert ten.min() > 0.0
        assert ten.max() < 1.0
        # JPEG may turn a few of the 64 comparisons around.
        assert (difference_hash(image) ^ row["dhash"]).bit_count() <= 6


def test_generate_faces__identity_layout_has_people_in_one_split_only(tmp_path: Path) -> None:
    generate_faces(tmp_path, "identity", {"train": 3, "val": 2}, images_per_person=2, image_size_px=64)
    people = {split: {path.name for path in (tmp_path / split).iterdir()} for split in ("train", "val")}
    assert len(people["train"]) == 3
    assert len(people["val"]) == 2
    assert not people["train"] & people["val"]
    assert all(len(list((tmp_path / "train" / person).glob("*.jpg"))) == 2 for person in people["train"])


@pytest.mark.parametrize("layout", ["affectnet", "identity"])
def test_list_portraits__splits_and_people_have_their_own_seeds(layout: str) -> None:
    seeds = {
        split: [portrait.person_seed for portrait in list_portraits(layout, split, 12, 3, seed=1)]  # type: ignore[arg-type]
        for split in ("train", "val")
    }
    assert not set(seeds["train"]) & set(seeds["val"])
    assert len(set(seeds["train"])) == 12


def test_list_portraits__more_images_leave_the_first_as_they_are() -> None:
    assert list_portraits("affectnet", "train", 30, 1, 0)[:10] == list_portraits(
        "affectnet", "train", 10, 1, 0
    )


def test_generate_faces__bytes_do_not_depend_on_processes(tmp_path: Path) -> None:
    for processes in (1, 2):
        generate_faces(
            tmp_path / str(processes), "affectnet", {"train": 97}, image_size_px=32, processes=processes
        )
    assert _files(tmp_path / "1") == _files(tmp_path / "2")


def test_generate_faces__another_seed_draws_other_faces(tmp_path: Path) -> None:
    for seed in (0, 1):
        generate_faces(tmp_path / str(seed), "affectnet", {"train": 2}, image_size_px=32, seed=seed)
    first, second = (list(_files(tmp_path / str(seed)).values()) for seed in (0, 1))
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_generate_faces__refuses_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r"'output.root'.*new folder"):
        generate_faces(tmp_path, "affectnet", {"train": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_generate_faces__refuses_a_split_named_like_the_tables(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"splits\.landmarks"):
        generate_faces(tmp_path, "affectnet", {"landmarks": 1})
