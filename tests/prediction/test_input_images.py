"""Which images paths and folders name."""

import os
from pathlib import Path

import pytest

from faceml.config.config_error import ConfigError
from faceml.prediction.input_images import find_images

ENDINGS = (".jpg", ".png")


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b/a.JPG", "b/c.png", "note.txt"):
        file = tmp_path / "album" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path / "album"


def test_find_images__lists_folders_and_takes_named_files_whatever_they_are(album: Path) -> None:
    found = find_images([str(album), str(album / "note.txt")], ENDINGS)
    assert [image.drawn for image in found] == ["a.jpg", "b/a.JPG", "b/c.png.jpg", "note.txt.jpg"]
    assert [image.place for image in found] == [
        str(album / name) for name in ("a.jpg", "b/a.JPG", "b/c.png", "note.txt")
    ]


def test_find_images__follows_links_to_folders_if_told_to(album: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "d.png").touch()
    (album / "linked").symlink_to(tmp_path / "other")
    assert "linked/d.png.jpg" not in [image.drawn for image in find_images([str(album)], ENDINGS)]
    followed = find_images([str(album)], ENDINGS, follow_links=True)
    assert "linked/d.png.jpg" in [image.drawn for image in followed]


def test_find_images__a_name_that_is_not_utf8_is_refused(album: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    (album / name).touch()
    with pytest.raises(ConfigError, match=r"caf.*the name is not UTF-8"):
        find_images([str(album / name)], ENDINGS)


def test_find_images__gives_each_copy_a_name_of_its_own(album: Path) -> None:
    found = find_images([str(album / "a.jpg"), str(album), str(album / "a.jpg")], ENDINGS)
    assert [image.drawn for image in found] == ["a.jpg", "a_2.jpg", "b/a.JPG", "b/c.png.jpg", "a_3.jpg"]


def test_find_images__a_number_does_not_give_a_copy_the_name_of_another(tmp_path: Path) -> None:
    names = [
        "ca/photo.jpg",
        "ca/photo_2.jpg",
        "cb/photo.jpg",
        "cc/photo.jpg",
        "cd/photo_2.jpg",
        "x.png",
        "x.png.jpg",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_images([str(tmp_path / name) for name in names], ENDINGS)
    assert [image.drawn for image in found] == [
        "photo.jpg",
        "photo_2.jpg",
        "photo_3.jpg",
        "photo_4.jpg",
        "photo_2_2.jpg",
        "x.png.jpg",
        "x.png_2.jpg",
    ]


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ([], "data.paths: no images are given"),
        (["nowhere"], "nowhere: no such image or folder."),
        (["empty"], "empty: no images below it. data.extensions are .jpg, .png."),
    ],
)
def test_find_images__refuses_what_is_not_there(places: list[str], told: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=told):
        find_images([str(tmp_path / place) for place in places], ENDINGS)
