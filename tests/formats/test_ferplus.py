from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceml.config import ConfigError
from faceml.formats import import_data_set, open_format
from tests.formats.conftest import LabelsOf
from tests.formats.fer_files import EMPTY, pixels_of, random_faces, write_fer2013, write_votes

NAMES = ["neutral", "happy", "surprise", "sad", "anger", "disgust", "fear", "contempt"]


def labels_by_the_authors_rule(votes: list[int]) -> str | None:
    """Return the majority by `_process_data` of the authors' ferplus.py, recomputed step by step."""
    kept = np.where(np.array(votes) > 1, votes, 0)  # outliers
    if not kept.max() > 0.5 * kept.sum():
        return None
    return NAMES[kept.argmax()] if kept.argmax() < len(NAMES) else None


@pytest.mark.parametrize(
    ("votes", "expression", "distribution"),
    [
        ([10, 0, 0, 0, 0, 0, 0, 0, 0, 0], "neutral", [10, 0, 0, 0, 0, 0, 0, 0]),
        ([4, 0, 0, 1, 3, 2, 0, 0, 0, 0], None, [4, 0, 0, 0, 3, 2, 0, 0]),  # 4 of 9
        ([5, 0, 1, 1, 1, 1, 1, 0, 0, 0], "neutral", [5, 0, 0, 0, 0, 0, 0, 0]),  # outliers are dropped
        ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], None, [5, 5, 0, 0, 0, 0, 0, 0]),  # half is no majority
        ([2, 0, 0, 0, 0, 0, 0, 0, 8, 0], None, None),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 10], None, None),
        ([3, 0, 2, 0, 0, 0, 0, 0, 5, 0], None, None),  # half of the votes say unknown
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], None, None),
        ([0, 0, 0, 0, 0, 0, 0, 6, 4, 0], "contempt", [0, 0, 0, 0, 0, 0, 0, 6]),
    ],
)
def test_ferplus__labels_by_the_authors_rule(
    tmp_path: Path,
    labels_of: LabelsOf,
    votes: list[int],
    expression: str | None,
    distribution: list[int] | None,
) -> None:
    write_votes(tmp_path / "fer2013new.csv", [["Training", "fer0000000.png", *votes]])
    write_fer2013(tmp_path / "fer2013.csv", [(0, pixels_of(random_faces(1)[0]), "Training")])

    import_data_set(open_format("ferplus", tmp_path), tmp_path / "out")

    labels = labels_of(tmp_path / "out")["train/fer0000000.png"]
    assert labels_by_the_authors_rule(votes) == expression == labels.get("expression")
    found = [labels.get(f"votes_{name}") for name in NAMES]
    assert found == (distribution or [None] * len(NAMES))


def test_ferplus__takes_the_pixels_of_the_same_row(tmp_path: Path, labels_of: LabelsOf) -> None:
    faces = random_faces(3)
    votes = [0, 9, 0, 0, 0, 0, 0, 0, 0, 0]
    write_votes(
        tmp_path / "fer2013new.csv",
        [
            ["Training", "fer0000000.png", *votes],
            ["PublicTest", "", *[0] * 10],
            ["PrivateTest", "fer0000002.png", *votes],
        ],
    )
    usages = ["Training", "PublicTest", "PrivateTest"]
    rows = zip([3, 3, 3], [pixels_of(faces[0]), EMPTY, pixels_of(faces[2])], usages, strict=True)
    write_fer2013(tmp_path / "fer2013/fer2013.csv", rows)

    summary = import_data_set(open_format("ferplus", tmp_path), tmp_path / "out")

    assert summary.broken_names == {"removed by FER+, without a name": ["fer2013new.csv, line 3"]}
    assert sorted(labels_of(tmp_path / "out")) == ["test/fer0000002.png", "train/fer0000000.png"]
    for name, face in (("train/fer0000000.png", faces[0]), ("test/fer0000002.png", faces[2])):
        with Image.open(tmp_path / "out/images" / name) as image:
            np.testing.assert_array_equal(np.asarray(image), face)


def test_ferplus__leaves_images_of_the_authors_script_where_they_are(
    tmp_path: Path, labels_of: LabelsOf
) -> None:
    folder = tmp_path / "FERPlus/data/FER2013Train"
    folder.mkdir(parents=True)
    Image.fromarray(random_faces(1)[0]).save(folder / "fer0000000.png")
    votes = [0, 9, 0, 0, 0, 0, 0, 0, 0, 0]
    write_votes(
        tmp_path / "FERPlus/fer2013new.csv",
        [["Training", f"fer000000{number}.png", *votes] for number in range(2)],
    )
    data = open_format("ferplus", tmp_path / "FERPlus")

    summary = import_data_set(data, tmp_path / "out")

    assert data.images == tmp_path / "FERPlus/data"
    assert summary.written == 0
    assert summary.broken_names == {"no such image": ["fer2013new.csv, line 3"]}
    assert labels_of(tmp_path / "out")["FER2013Train/fer0000000.png"]["expression"] == "happy"
    assert not (tmp_path / "out/images").exists()


def test_ferplus__refuses_files_that_do_not_belong_together(tmp_path: Path) -> None:
    write_votes(tmp_path / "fer2013new.csv", [["Training", "fer0000000.png", *[2] * 10]])
    with pytest.raises(ConfigError, match=r"has no fer2013\.csv or icml_face_data\.csv, the file of FER2013"):
        open_format("ferplus", tmp_path)
    write_fer2013(tmp_path / "fer2013.csv", [(0, EMPTY, "Training")] * 2)
    with pytest.raises(ConfigError, match="has not as many rows as"):
        import_data_set(open_format("ferplus", tmp_path), tmp_path / "out")
    write_fer2013(tmp_path / "fer2013.csv", [(0, EMPTY, "PrivateTest")])
    with pytest.raises(ConfigError, match=r"line 2 is of PrivateTest, in .* of Training"):
        import_data_set(open_format("ferplus", tmp_path), tmp_path / "other")
