"""Groups of pairs by yaw and by source, and the pairs that a model confuses most."""

from pathlib import Path

import numpy as np
import pytest

from faceml.datasets.person_dataset import AlignedPreprocessing, PersonDataset
from faceml.datasets.verification_pairs import VerificationPairs
from faceml.images.decoding import encode_jpeg
from faceml.reporting.verification.attributes import GENUINE, IMPOSTORS, extreme_pairs, pair_groups
from faceml.reporting.verification.findings import ModelScores
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.training.verification.scoring import score_pairs
from faceml.training.verification.verification_set import VerificationSet

YAW_DEG = {"a": (-40.0, 5.0), "b": (10.0, 20.0)}
PAIRS = [(0, 1), (2, 3), (0, 2), (1, 2), (1, 3)]
"""Pairs of the images a/x/0, a/x/1, b/y/0, b/y/1; the first two are genuine."""


@pytest.fixture
def opened(tmp_path: Path) -> VerificationSet:
    """Two people of two sources, of whom one image each has no face."""
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"), with_source=True)
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    rows = []
    for source, person in (("a", "x"), ("b", "y")):
        for number, yaw_deg in enumerate(YAW_DEG[source]):
            file = tmp_path / source / person / f"{number}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encode_jpeg(np.full((32, 32, 3), 40 * len(rows) + 40, np.uint8), 95))
            image_id = f"{source}/{person}/{number}.jpg"
            row = {"image_id": image_id, "folder": person, "source": source, "status": "ok"}
            rows.append(row | {"landmarks_5": points.ravel(), "yaw_deg": yaw_deg})
    rows[3] |= {"status": "no_face", "landmarks_5": None, "yaw_deg": None}
    write_shard(rows, schema, tmp_path / "table" / "part.parquet")
    images = {source: str(tmp_path / source) for source in YAW_DEG}
    faces = PersonDataset(tmp_path / "table", images, AlignedPreprocessing(32), with_undetected=True)
    same = np.array([True, True, False, False, False])
    wrong = np.array([False, False, False, False, True])
    folds = np.array([0, 1, 0, 1, 0])
    return VerificationSet(faces, VerificationPairs(np.array(PAIRS), same, folds, wrong))


def test_pair_groups__are_by_the_larger_yaw_and_by_source(opened: VerificationSet) -> None:
    groups = {
        title: {name: mask.tolist() for name, mask in found.items()}
        for title, found in pair_groups(opened).items()
    }
    assert groups == {
        "larger absolute yaw": {
            "0 to 15°": [False, False, False, True, False],
            "30 to 45°": [True, False, True, False, False],
            "unknown": [False, True, False, False, True],
        },
        "source": {
            "a": [True, False, False, False, False],
            "a and b": [False, False, True, True, True],
            "b": [False, True, False, False, False],
        },
    }
    assert opened.without_landmarks == {"images": 1, "pairs": 2, "rule": "wrong"}


def test_extreme_pairs__are_the_worst_that_do_not_count_as_wrong_anyway(opened: VerificationSet) -> None:
    angles = np.deg2rad([0, 80, 30, 40])
    embeddings = np.column_stack([np.cos(angles), np.sin(angles)])
    model = ModelScores(score_pairs(embeddings, opened.pairs, opened.faces.labels.numpy()), {})
    found = extreme_pairs(opened, model, 1)
    (impostors,), (genuine,) = found[IMPOSTORS], found[GENUINE]
    assert impostors.images == ("a/x/0.jpg", "b/y/0.jpg")
    assert impostors.score == pytest.approx(np.cos(np.deg2rad(30)))
    assert genuine.images == ("a/x/0.jpg", "a/x/1.jpg")
    assert genuine.score == pytest.approx(np.cos(np.deg2rad(80)))
    assert [int(face[16, 16, 0]) for face in genuine.faces] == pytest.approx([40, 80], abs=2)
    assert extreme_pairs(opened, model, 0) == {}


def test_digest__changes_with_the_pairs_and_with_the_table(opened: VerificationSet) -> None:
    assert opened.digest == opened.digest
    other = opened.pairs._replace(counted_wrong=np.zeros(len(PAIRS), bool))
    assert VerificationSet(opened.faces, other).digest != opened.digest


def test_digest__changes_with_the_copies(opened: VerificationSet) -> None:
    digests = set()
    for copies in (None, {}, {"size": 32}, {"size": 64}):
        opened.faces.copies = copies
        digests.add(opened.digest)
    assert len(digests) == 4
