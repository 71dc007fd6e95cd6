"""Annotations read from files as they are shipped, and refused when they are malformed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faceml.annotations.annotated_faces import AnnotatedFaces
from faceml.annotations.pts_files import IBUG_68
from faceml.annotations.reading import find_annotated_images, read_annotations
from faceml.config.config_error import ConfigError
from tests.annotations.annotated_files import mtfl_line, wflw_line, write_pts

TEN = np.array(
    [[30, 40], [50, 41], [70, 42], [90, 40], [60, 60], [61, 66], [42, 80], [79, 81], [60, 75], [61, 90]],
    dtype=np.float64,
)
FIVE = np.array([TEN[:2].mean(axis=0), TEN[2:4].mean(axis=0), TEN[4], TEN[6], TEN[7]])


@pytest.mark.parametrize("bare", [False, True])
def test_read_annotations__of_300w_with_and_without_header(bare: bool, tmp_path: Path) -> None:
    for name, shift in (("b/two.pts", 5.0), ("one.pts", 0.0)):
        write_pts(tmp_path / name, TEN + shift, bare=bare)
    faces = read_annotations(str(tmp_path))
    assert faces.images == ("b/two", "one")
    assert faces.markup.name == "300-W"
    np.testing.assert_allclose(faces.landmarks_px(10)[1], TEN, atol=1e-6)
    np.testing.assert_allclose(faces.landmarks_px(5), [FIVE + 5, FIVE], atol=1e-6)
    np.testing.assert_allclose(faces.normalizers_px, [60, 60], atol=1e-6)


def test_read_annotations__of_wflw_with_and_without_box(tmp_path: Path) -> None:
    file = tmp_path / "list_98pt_rect_attr_test.txt"
    lines = [wflw_line(TEN + shift, "0--Parade/a.jpg") for shift in (0, 200)]
    without = " ".join([*lines[1].split()[:196], "0--Parade/a.jpg"])
    file.write_text("\n".join([lines[0], "", without]) + "\n")
    for place in (file, tmp_path):
        faces = read_annotations(str(place))
        assert faces.images == ("0--Parade/a.jpg", "0--Parade/a.jpg")
        np.testing.assert_allclose(faces.landmarks_px(10), [TEN, TEN + 200], atol=1e-6)
        np.testing.assert_allclose(faces.landmarks_px(5), [FIVE, FIVE + 200], atol=1e-6)
        np.testing.assert_allclose(faces.normalizers_px, 60, atol=1e-6)


def test_read_annotations__of_mtfl_has_five_points_and_the_distance_of_the_pupils(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("Multi-Task Facial Landmark (MTFL) dataset\n")
    file = tmp_path / "testing.txt"
    file.write_text(f"{mtfl_line(FIVE, 'AFLW/0001.jpg')}\n{mtfl_line(FIVE * 2, 'net_7876/b.jpg')}\n \n")
    faces = read_annotations(str(tmp_path))
    assert faces.images == ("AFLW/0001.jpg", "net_7876/b.jpg")
    assert [*faces.markup.landmarks] == [5]
    np.testing.assert_allclose(faces.landmarks_px(5), [FIVE, FIVE * 2], atol=1e-6)
    eyes = FIVE[1] - FIVE[0]
    np.testing.assert_allclose(faces.normalizers_px, [np.hypot(*eyes), 2 * np.hypot(*eyes)], atol=1e-6)
    (tmp_path / "training.txt").write_text(mtfl_line(FIVE, "a.jpg"))
    with pytest.raises(ConfigError, match=r"has several lists: testing\.txt, training\.txt\. Name one"):
        read_annotations(str(tmp_path))


def refusal(place: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        read_annotations(str(place))
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("annotations: ")
    return str(refused.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda lines: lines[:-2] + lines[-1:], "a.pts: has 67 lines of points; files of 300-W have 68"),
        (lambda lines: [*lines[:3], "1.0", *lines[4:]], "a.pts: has 68 lines of points"),
        (lambda lines: [*lines[:3], "nan 1.0", *lines[4:]], "a.pts: has a coordinate that is no finite"),
        (lambda lines: [*lines[:3], "1,5 1.0", *lines[4:]], "a.pts: has a coordinate that is no finite"),
        (lambda lines: [*lines[:3], "1e999 1.0", *lines[4:]], "a.pts: has a coordinate that is no finite"),
        (lambda lines: [*lines[:3], *["3 4"] * 68, "}"], "a.pts: both eyes are at one place"),
        (lambda lines: [], "a.pts: has 0 lines of points"),
        (lambda lines: ["\x89PNG\r\n\x1a\n"], "a.pts: has"),
    ],
)
def test_read_annotations__refuses_a_malformed_pts_file(
    change: Callable[[list[str]], list[str]], reason: str, tmp_path: Path
) -> None:
    write_pts(tmp_path / "a.pts", TEN)
    lines = (tmp_path / "a.pts").read_text().splitlines()
    (tmp_path / "a.pts").write_text("\n".join(change(lines)))
    assert reason in refusal(tmp_path)


def test_read_annotations__refuses_a_malformed_list_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "training.txt"
    good = mtfl_line(FIVE, "a.jpg")
    file.write_text(f"{good}\n\n{good} 7\n")
    assert "training.txt, line 3: has 16 values; lines of MTFL have 15 (the path, x of" in refusal(file)
    file.write_text(f"{good}\n{good.replace(good.split()[1], 'nan')}\n")
    assert "training.txt, line 2: has a coordinate that is no finite number" in refusal(file)
    file.write_text("a.jpg 1 2 3\n")
    assert "has no annotations of 300-W (.pts files) or of WFLW (a list) or MTFL (a list)" in refusal(file)
    assert "has no annotations of" in refusal(tmp_path)
    assert "has no annotations of" in refusal(tmp_path / "none")


def annotated(*images: str) -> AnnotatedFaces:
    return AnnotatedFaces(IBUG_68, images, np.arange(len(images))[:, None, None] * np.ones((1, 68, 2)))


def test_find_annotated_images__by_path_or_without_the_extension() -> None:
    faces, missing = find_annotated_images(
        annotated("b/two", "one", "three.jpg", "gone", "b/two"), ["b/two.png", "one.v1.jpg", "three.jpg"], "T"
    )
    assert faces.images == ("b/two.png", "three.jpg", "b/two.png")
    assert faces.points_px[:, 0, 0].tolist() == [0, 2, 4]
    assert missing == ["one", "gone"]


def test_find_annotated_images__refuses_what_cannot_be_told() -> None:
    with pytest.raises(ConfigError, match=r"^annotations: a may be a\.jpg or a\.png of T\. Remove"):
        find_annotated_images(annotated("a"), ["a.jpg", "a.png"], "T")
    with pytest.raises(
        ConfigError, match=r"none of the 1 annotated images, such as a, is in T, which has x/a\.jpg\. Use the"
    ):
        find_annotated_images(annotated("a"), ["x/a.jpg"], "T")
    with pytest.raises(ConfigError, match=r"such as a, is in T\. Use the folder"):
        find_annotated_images(annotated("a"), [], "T")
