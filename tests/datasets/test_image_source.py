"""Images named by tables of unknown origin."""

import os
from pathlib import Path

import pytest

from faceml.config.config_error import ConfigError
from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.image_source import ImageFiles, ImageSource
from faceml.datasets.preprocessing import Preprocessing
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of images beside a private file, and links from the one to the other."""
    (tmp_path / "private.png").write_bytes(b"private")
    folder = tmp_path / "images" / "7"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"a")
    (folder / "inside.jpg").symlink_to("a.jpg")
    (folder / "outside.jpg").symlink_to(tmp_path / "private.png")
    (folder / "folder").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.jpg")
    return tmp_path / "images"


@pytest.mark.parametrize(
    "image_id",
    ["../private.png", "7/../../private.png", "/etc/hostname", "7/outside.jpg", "7/folder/private.png",
     "7/pipe.jpg", "7", "7/none.jpg", "", "7//a.jpg", "7/a.jpg\0"],
)  # fmt: skip
def test_image_files__read_nothing_outside_of_their_folder(images: Path, image_id: str) -> None:
    assert ImageFiles(images)(image_id) is None


def test_image_source__reads_the_images_of_sources(images: Path) -> None:
    names = ["a/7/a.jpg", "b/7/a.jpg"]
    places = {"a": str(images), "b": str(images)}
    source = ImageSource(images.parent / "t", places, names, names)
    assert [source.read(0), source.read(1)] == [b"a", b"a"]
    for wrong in (
        {"a": str(images)},
        {**places, "b": str(images / "7")},
        {**places, "b": f"{images}/nowhere"},
    ):
        with pytest.raises(ConfigError, match=r"^a: .*: has no b/7/a\.jpg, an image of the table"):
            ImageSource(images.parent / "t", {"a": str(images), **wrong}, names, names)


def test_image_files__follow_links_only_if_they_are_asked_to(images: Path) -> None:
    assert ImageFiles(images)("7/a.jpg") == ImageFiles(images)("7/inside.jpg") == b"a"
    followed = ImageFiles(images, follow_links=True)
    assert followed("7/outside.jpg") == followed("7/folder/private.png") == b"private"
    assert followed("7/../../private.png") is None


@pytest.mark.parametrize("image_id", ["7/../../private.png", "/etc/hostname", "7/outside.jpg"])
def test_face_dataset__a_table_that_names_other_files_is_refused(images: Path, image_id: str) -> None:
    schema = landmark_schema(table_metadata({"name": "none"}, {"output": {}}, "0"))
    write_shard(
        [{"image_id": image_id, "folder": "7", "status": "no_face"}],
        schema,
        images.parent / "t" / "a.parquet",
    )
    with pytest.raises(ConfigError, match=r"has no .*if its images are links .* set follow_links: true"):
        FaceDataset(images.parent / "t", images, 5, Preprocessing(32))
