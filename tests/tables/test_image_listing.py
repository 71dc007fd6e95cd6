import io
import os
import random
from pathlib import Path

import pytest
from PIL import Image

from faceml.config.extract import IMAGE_EXTENSIONS
from faceml.images.decoding import decode_image
from faceml.storage.listing import StoredFile
from faceml.storage.roots import StorageRoots
from faceml.tables import image_listing as folder_module
from faceml.tables.image_listing import LISTING_SCHEMA, image_table, list_images

ENDINGS = (".jpg", ".png")


def make(root: Path, *names: str) -> StorageRoots:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return StorageRoots(root)


def ids(root: Path, *extensions: str) -> list[str]:
    listed: list[str] = list_images(StorageRoots(root), extensions or ENDINGS)["image_id"].to_pylist()
    return listed


def test_list_images__finds_all_below_sorted_by_their_utf8_bytes(tmp_path: Path) -> None:
    # "-" < "/" < "0" in the whole path; U+FF5E comes before U+1F600, which UTF-16 would turn around.
    names = ["0/b.jpg", "0/a.png", "0-x/c.jpg", "0a.jpg", "10/c.jpg", "2/deep/er/d.jpg", "top.jpg"]
    names += ["Größe 1/顔 – x.jpg", "~.jpg", "～.jpg", "😀.jpg"]
    make(tmp_path, *names)
    assert ids(tmp_path) == sorted(names, key=str.encode)


def test_list_images__says_size_and_time(tmp_path: Path) -> None:
    make(tmp_path, "0/a.jpg")
    (tmp_path / "0/a.jpg").write_bytes(b"12345")
    os.utime(tmp_path / "0/a.jpg", ns=(1, 1_700_000_000_123_456_789))
    table = list_images(StorageRoots(tmp_path), ENDINGS)
    assert table.schema == LISTING_SCHEMA
    assert table.to_pylist() == [
        {"image_id": "0/a.jpg", "file_bytes": 5, "modified_ns": 1_700_000_000_123_456_789}
    ]


def test_list_images__endings_match_in_any_case(tmp_path: Path) -> None:
    make(tmp_path, "a.JPG", "b.Png", "c.jpeg", "d.jpg.txt", "jpg", "e.gif")
    assert ids(tmp_path) == ["a.JPG", "b.Png"]
    assert ids(tmp_path, ".GIF") == ["e.gif"]


def test_list_images__counts_what_it_leaves_out_by_extension(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, "a.jpg", "0/b.heic", "0/c.HEIC", "d.txt", "README", "0/.hidden.cr2")
    assert ids(tmp_path) == ["a.jpg"]
    assert caplog.messages == [
        f"{tmp_path}: files are left out, because their extensions are not in data.extensions: "
        "2 .heic, 1 without one, 1 .txt"
    ]
    caplog.clear()
    make(tmp_path / "images", "a.jpg")
    assert ids(tmp_path / "images") == ["a.jpg"]
    assert not caplog.messages


@pytest.mark.parametrize("extension", IMAGE_EXTENSIONS)
def test_image_extensions__are_of_formats_that_can_be_decoded(extension: str) -> None:
    kind = Image.registered_extensions()[extension]
    file = io.BytesIO()
    Image.new("RGB", (20, 10)).save(file, kind)
    decoded = decode_image(file.getvalue())
    assert not isinstance(decoded, str)
    assert decoded.shape == (10, 20, 3)


def test_list_images__passes_over_what_is_hidden(tmp_path: Path) -> None:
    make(tmp_path, "0/._a.jpg", ".hidden/b.jpg", "0/.thumbs/c.jpg", "0/d.jpg")
    assert ids(tmp_path) == ["0/d.jpg"]


def test_list_images__a_hidden_part_above_the_root_hides_nothing(tmp_path: Path) -> None:
    make(tmp_path / ".cache" / "faces", "0/a.jpg")
    assert ids(tmp_path / ".cache" / "faces") == ["0/a.jpg"]


def test_list_images__follows_links_only_if_told_to(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = make(tmp_path / "faces", "0/a.jpg")
    make(tmp_path / "elsewhere", "b.jpg")
    (tmp_path / "faces" / "1").symlink_to(tmp_path / "elsewhere")
    assert list_images(root, ENDINGS)["image_id"].to_pylist() == ["0/a.jpg"]
    assert "1 symbolic links to folders are not followed (1/). Set data.follow_links: true" in caplog.text
    caplog.clear()
    assert list_images(root, ENDINGS, follow_links=True)["image_id"].to_pylist() == ["0/a.jpg", "1/b.jpg"]
    assert caplog.text == ""


def test_list_images__of_an_empty_folder_is_empty(tmp_path: Path) -> None:
    table = list_images(StorageRoots(tmp_path), ENDINGS)
    assert (table.num_rows, table.schema) == (0, LISTING_SCHEMA)


def test_list_images__a_name_that_is_not_utf8_is_listed_escaped(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    assert ids(tmp_path) == ["caf\\xe9.jpg"]
    assert not (tmp_path / "caf\\xe9.jpg").exists()


def test_image_table__takes_files_batch_by_batch_and_sorts_across_them() -> None:
    numbers = list(range(2 * folder_module.FILES_PER_BATCH + 17))
    random.Random(0).shuffle(numbers)
    files = (StoredFile(f"{n % 10}/{n}.{'jpg' if n % 3 else 'txt'}", n, n + 1) for n in numbers)
    table = image_table(files, ENDINGS)
    expected = sorted((f"{n % 10}/{n}.jpg", n, n + 1) for n in numbers if n % 3)
    assert list(zip(*table.to_pydict().values(), strict=True)) == expected
