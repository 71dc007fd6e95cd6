"""From `train.rec` and `lfw.bin` to a verified network, by the commands that the imports print."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.model_selection import KFold

from faceml.config import (
    EvaluateRecognitionConfig,
    ExtractConfig,
    RecognitionConfig,
    load_config,
    parse_config,
)
from faceml.formats import import_data_set, open_format, write_next_jobs
from faceml.synthetic.generate import generate_faces
from faceml.training import build_people
from ray_jobs.local import recognition_evaluation
from ray_jobs.tables import extraction
from ray_jobs.training import recognition
from tests.formats.random_landmarks import write_random_landmarks
from tests.formats.record_files import write_bin, write_train_rec

NUMBERS = (0, 5, 10, 15, 1, 2, 3, 4, 6, 7, 8, 9)
"""Numbers of the people; the first four are held out."""
SMALL = (
    "data.image_size=32",
    "data.people_per_batch=4",
    "data.images_per_person=2",
    "model.embedding_dim=16",
    "training.epochs=1",
)


def ship(folder: Path) -> list[bool]:
    """Write `train.rec` of 12 people and `lfw.bin` of pairs of the same images; return which are genuine."""
    drawn = folder / "drawn"
    generate_faces(drawn, "identity", {"all": 12}, image_size_px=96, images_per_person=3, processes=1)
    people = [
        [file.read_bytes() for file in sorted(of.iterdir())] for of in sorted((drawn / "all").iterdir())
    ]
    write_train_rec(folder / "faces_webface_112x112", dict(zip(NUMBERS, people, strict=True)))
    images, same = list[bytes](), list[bool]()
    for number, (first, second, _) in enumerate(people):
        images += [first, second, first, people[number - 1][0]]
        same += [True, False]
    write_bin(folder / "faces_webface_112x112/lfw.bin", images, same)
    return same


def accuracy_of_folds(scores: np.ndarray, same: np.ndarray) -> float:
    """Return the accuracy by ten folds of consecutive pairs, each at the best threshold of the others."""
    thresholds = np.concatenate([[np.inf], np.sort(scores)[::-1]])
    right = (scores[None] >= thresholds[:, None]) == same[None]
    folds = KFold(10, shuffle=False).split(scores)
    return float(
        np.concatenate(
            [right[right[:, others].sum(axis=1).argmax(), held_out] for others, held_out in folds]
        ).mean()
    )


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(
    "extract_images", [write_random_landmarks, pytest.param(extraction.run, marks=pytest.mark.soak)]
)
def test_recognition_sets__train_and_verify_a_network(
    tmp_path: Path, extract_images: Callable[[ExtractConfig], object]
) -> None:
    same = ship(tmp_path)
    settings = {}
    for name in ("mxnet-rec", "insightface-bin"):
        data, output = open_format(name, tmp_path / "faces_webface_112x112"), tmp_path / name
        import_data_set(data, output)
        extract, *transfer = write_next_jobs(data, output)
        extract_images(load_config(ExtractConfig, extract.config, ["landmarker.actors=1"]))
        settings[name] = [
            word for line in data.advice(output) for word in shlex.split(line) if line.startswith("--set ")
        ]
        if transfer:
            training = transfer[0].config

    people = build_people(load_config(RecognitionConfig, training, SMALL).data)
    assert people.val.people == ["val/0000000", "val/0000005", "val/0000010", "val/0000015"]
    assert len(people.train.people) == 8
    assert set(people.pairs.folds) == {0, 1}

    own = [word for word in settings["insightface-bin"] if word != "--set"]
    summary = recognition.run(load_config(RecognitionConfig, training, [*SMALL, *own]))

    folder = tmp_path / "mxnet-rec/runs/transfer"
    pairs = pq.read_table(folder / "pairs.parquet")
    assert pairs["image_id"].to_pylist() == [f"lfw/{place:06d}.jpg" for place in range(0, 48, 2)]
    assert pairs["other_image_id"].to_pylist() == [f"lfw/{place:06d}.jpg" for place in range(1, 48, 2)]
    assert pairs["is_same"].to_pylist() == same
    assert summary["accuracy"] == accuracy_of_folds(pairs["score"].to_numpy(), np.array(same))
    assert summary["people"] is None
    assert "The people of the pairs are not known." in (folder / "report.html").read_text(encoding="utf-8")
    (record,) = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    assert record["verification/accuracy"] == pytest.approx(summary["accuracy"])
    assert record.get("verification/top_1") is None

    split = load_config(RecognitionConfig, training, own).data
    evaluated = {
        "model": str(folder),
        "sets": {"lfw": split.val.model_dump(mode="json") | {"pairs": {"file": str(split.pairs.file)}}},
        "run": {"folder": str(tmp_path / "evaluation")},
    }
    (found,) = recognition_evaluation.run(parse_config(EvaluateRecognitionConfig, evaluated)).sets
    assert found.first.metrics["accuracy"] == summary["accuracy"]
    assert found.resampled == "pairs"
    page = (tmp_path / "evaluation/report.html").read_text(encoding="utf-8")
    assert "The people of the pairs are not known: there are no identification rates" in page
