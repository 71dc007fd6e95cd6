"""Files of verification pairs: LFW's format, and lines of two images."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import KFold

from faceml.config.config_error import ConfigError
from faceml.datasets.pairs_file import read_pairs

LFW = """2\t2
Ann_Lee\t1\t3
Bo\t1\t2
Ann_Lee\t1\tBo\t2
Bo\t3\tAnn_Lee\t2
Cy\t1\t2
Di_Fu\t1\t2
Cy\t1\tDi_Fu\t2
Di_Fu\t1\tCy\t2
"""
COUNTS = {"Ann_Lee": 3, "Bo": 3, "Cy": 2, "Di_Fu": 2}
IMAGES = [f"{name}/{name}_{n:04d}.jpg" for name, count in COUNTS.items() for n in range(1, count + 1)]
PAIRS = [[0, 2], [3, 4], [0, 4], [5, 1], [6, 7], [8, 9], [6, 9], [8, 7]]
SAME = [True, True, False, False] * 2


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pairs.txt"


@pytest.mark.parametrize(
    "content",
    [
        LFW.encode(),
        b"\xef\xbb\xbf" + LFW.encode(),
        LFW.replace("\t", "  ").encode(),
        LFW.replace("\n", "\r\n").encode(),
        LFW.replace("\n", " \t\n").encode() + b"\n\n  \n",
        LFW.rstrip().encode(),
    ],
    ids=["as LFW has it", "byte order mark", "spaces", "Windows", "trailing blanks", "no last newline"],
)
def test_read_pairs__of_lfw_however_it_was_saved(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    pairs = read_pairs(file, IMAGES)
    assert pairs.images.tolist() == PAIRS
    assert pairs.same.tolist() == SAME
    assert pairs.folds.tolist() == [0] * 4 + [1] * 4
    assert not pairs.counted_wrong.any()


def test_read_pairs__names_with_spaces(file: Path) -> None:
    file.write_text(LFW.replace("Ann_Lee", "Ann Lee"))
    assert read_pairs(file, [name.replace("Ann_Lee", "Ann Lee") for name in IMAGES]).images.tolist() == PAIRS


def test_read_pairs__of_undetected_faces_count_as_wrong_if_told_to(file: Path) -> None:
    file.write_text(LFW)
    undetected = np.array([name.startswith("Bo/Bo_0002") for name in IMAGES])
    assert not read_pairs(file, IMAGES, undetected).counted_wrong.any()
    wrong = read_pairs(file, IMAGES, undetected, count_as_wrong=True).counted_wrong
    assert wrong.tolist() == [4 in pair for pair in PAIRS]


def swapped(first: int, second: int) -> str:
    lines = LFW.splitlines()
    lines[first], lines[second] = lines[second], lines[first]
    return "\n".join(lines)


ONE_KIND = "2\t1\n" + "Ann_Lee\t1\t3\n" * 4


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "is not 'folds<TAB>pairs of one person per fold'"),
        ("2\t0\n", 1, "is not 'folds"),
        ("2\tx\n", 1, "is not 'folds"),
        (LFW.partition("\n")[2], 1, "is not 'folds"),
        ("1\t4\n" + LFW.partition("\n")[2], 1, "has one fold"),
        ("4\n" + LFW.partition("\n")[2], 1, "has one fold"),
        (LFW.replace("2\t2", "2\t1", 1), 1, "2 folds of 1 .* which are 4 lines, but 8 follow"),
        (LFW.replace("2\t2", "3\t2", 1), 1, "which are 12 lines, but 8 follow"),
        (LFW.removesuffix("Di_Fu\t1\tCy\t2\n"), 1, "which are 8 lines, but 7 follow"),
        (LFW.replace("Bo\t1\t2", "Bo\t1"), 3, r"'Bo\\t1' is neither 'name i j' nor 'name i other j'"),
        (LFW.replace("Bo\t1\t2", "Bo\tx\t2"), 3, "is neither"),
        (LFW.replace("Bo\t1\t2", "Bo,1,2"), 3, "is neither"),
        (LFW.replace("Bo\t1\t2", ""), 3, "'' is neither"),
        (LFW.replace("Bo\t1\t2", "Bo\t1\t9"), 3, "the split has no image 9 of Bo that could be decoded"),
        (LFW.replace("Bo\t1\t2", "Bo\t1\t1"), 3, "compares image 1 of Bo with itself"),
        (LFW.replace("Bo\t1\t2", "Bo\t1\tBo\t2"), 3, "names Bo twice. Write .* as 'name i j'"),
        (swapped(2, 3), 3, "of two people .* where one of one person .* is expected"),
        (swapped(4, 5), 5, "of one person .* where one of two people"),
        (ONE_KIND, 3, "of one person .* where one of two people"),
    ],
)
def test_read_pairs__names_the_line_of_a_mistake(text: str, line: int, message: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_pairs(file, IMAGES)
    told = str(refused.value)
    assert told.startswith(f"data.pairs.file: {file}, line {line}: ")
    assert re.search(message, told), told
    assert "\n" not in told


def test_read_pairs__a_number_of_two_images_is_refused(file: Path) -> None:
    file.write_text(LFW)
    with pytest.raises(ConfigError, match=r"line 3: image 1 of Bo may be Bo/Bo_0001.jpg and Bo/Bo_0001.png"):
        read_pairs(file, [*IMAGES, "Bo/Bo_0001.png"])


def lines_of(pairs: list[tuple[str, str, int]], separator: str = "\t") -> list[str]:
    return [separator.join(map(str, pair)) for pair in pairs]


OF_SET = [f"lfw/{number:06d}.jpg" for number in range(46)]
"""Images of 23 pairs, as insightface ships them: nobody knows the people."""
PAIRS_OF_SET = [(OF_SET[place], OF_SET[place + 1], int(place % 4 == 0)) for place in range(0, 46, 2)]


@pytest.mark.parametrize("separator", ["\t", " ", "  "])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_read_pairs__of_images(file: Path, separator: str, start: str, newline: str) -> None:
    file.write_bytes((start + newline.join([*lines_of(PAIRS_OF_SET, separator), "", ""])).encode())
    pairs = read_pairs(file, OF_SET)
    assert pairs.images.tolist() == [[place, place + 1] for place in range(0, 46, 2)]
    assert pairs.same.tolist() == [bool(same) for *_, same in PAIRS_OF_SET]
    folds = KFold(10, shuffle=False).split(np.arange(23))  # as insightface divides the pairs
    assert [np.flatnonzero(pairs.folds == fold).tolist() for fold in range(10)] == [
        held_out.tolist() for _, held_out in folds
    ]


def test_read_pairs__of_images_with_spaces_and_undetected_faces(file: Path) -> None:
    file.write_text("\n".join(lines_of(PAIRS_OF_SET)).replace("lfw", "l f w"))
    names = [name.replace("lfw", "l f w") for name in OF_SET]
    undetected = np.arange(46) == 7
    wrong = read_pairs(file, names, undetected, count_as_wrong=True).counted_wrong
    assert np.flatnonzero(wrong).tolist() == [3]


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (3, "lfw/000004.jpg lfw/000005.jpg", "is neither 'image1 image2 1' nor 'image1 image2 0'"),
        (3, "lfw/000004.jpg lfw/000005.jpg 2", "is neither 'image1 image2 1'"),
        (3, "lfw/000004.jpg lfw/000005.jpg 1 1", "is neither 'image1 image2 1'"),
        (3, "", "'' is neither"),
        (1, "lfw/000004.jpg lfw/000005.jpg", "nor 'image1 image2 1' or 'image1 image2 0'"),
        (
            23,
            "lfw/000004.jpg lfw/999999.jpg 1",
            "the split has no image lfw/999999.jpg that could be decoded",
        ),
        (1, "lfw/000004.png lfw/000005.jpg 1", "the split has no image lfw/000004.png"),
        (9, "lfw/000004.jpg lfw/000004.jpg 1", "compares lfw/000004.jpg with itself"),
    ],
)
def test_read_pairs__of_images_names_the_line_of_a_mistake(
    file: Path, line: int, text: str, message: str
) -> None:
    lines = lines_of(PAIRS_OF_SET)
    lines[line - 1] = text
    file.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=message) as refused:
        read_pairs(file, OF_SET)
    assert str(refused.value).startswith(f"data.pairs.file: {file}, line {line}: ")
    assert "\n" not in str(refused.value)


def test_read_pairs__of_images_need_ten_pairs_of_both_kinds(file: Path) -> None:
    file.write_text("\n".join(lines_of(PAIRS_OF_SET[:9])))
    with pytest.raises(ConfigError, match=r"line 9: the file has 9 pairs, and 10 folds need 10"):
        read_pairs(file, OF_SET)
    file.write_text("\n".join(lines_of([(one, other, 0) for one, other, _ in PAIRS_OF_SET])))
    with pytest.raises(ConfigError, match=r"line 23: all pairs are of two people. Both kinds are needed"):
        read_pairs(file, OF_SET)
