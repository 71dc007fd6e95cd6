import os
from pathlib import Path

from faceml.datasets.folder import list_images

ENDINGS = (".jpg", ".png")


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_list_images__finds_all_below_sorted_as_posix_paths(tmp_path: Path) -> None:
    names = ["0/b.jpg", "0/a.png", "10/c.jpg", "2/deep/er/d.jpg", "top.jpg", "Größe 1/顔 – x.jpg"]
    make(tmp_path, *names)
    assert list_images(tmp_path, ENDINGS) == sorted(names)


def test_list_images__endings_match_in_any_case(tmp_path: Path) -> None:
    make(tmp_path, "a.JPG", "b.Png", "c.jpeg", "d.jpg.txt", "jpg", "e.gif")
    assert list_images(tmp_path, ENDINGS) == ["a.JPG", "b.Png"]
    assert list_images(tmp_path, [".GIF"]) == ["e.gif"]


def test_list_images__passes_over_what_is_hidden(tmp_path: Path) -> None:
    make(tmp_path, "0/._a.jpg", ".hidden/b.jpg", "0/.thumbs/c.jpg", "0/d.jpg")
    assert list_images(tmp_path, ENDINGS) == ["0/d.jpg"]


def test_list_images__a_hidden_part_above_the_root_hides_nothing(tmp_path: Path) -> None:
    make(tmp_path / ".cache" / "faces", "0/a.jpg")
    assert list_images(tmp_path / ".cache" / "faces", ENDINGS) == ["0/a.jpg"]


def test_list_images__ends_in_spite_of_links_in_a_loop(tmp_path: Path) -> None:
    make(tmp_path, "0/a.jpg")
    (tmp_path / "0" / "loop").symlink_to(tmp_path)
    (tmp_path / "1").symlink_to(tmp_path / "0")
    (tmp_path / "0" / "linked.jpg").symlink_to("a.jpg")
    (tmp_path / "0" / "dangling.jpg").symlink_to("nowhere")
    assert list_images(tmp_path, ENDINGS) == ["0/a.jpg", "0/dangling.jpg", "0/linked.jpg"]


def test_list_images__of_an_empty_folder_is_empty(tmp_path: Path) -> None:
    assert list_images(tmp_path, ENDINGS) == []


def test_list_images__a_name_that_is_not_utf8_is_listed_escaped(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    listed = list_images(tmp_path, [".jpg"])
    assert listed == ["caf\\xe9.jpg"]
    assert not (tmp_path / listed[0]).exists()
