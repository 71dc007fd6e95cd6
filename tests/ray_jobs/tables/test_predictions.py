"""Predictions of a large folder: exactly one row for each image, also after failures."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from faceml.config.config_error import ConfigError
from faceml.config.loading import check_inputs, parse_config
from faceml.config.predict import PredictConfig
from faceml.images.decoding import RgbImage, encode_jpeg
from faceml.images.framing import Framing
from faceml.prediction.loading import load
from faceml.runs.files import BEST_MODEL_FILE
from ray_jobs.tables.predictions import build_prediction_job, count_predictions
from ray_jobs.tables.table_diff import compute_diff
from tests.job import Job
from tests.poison import write_poison
from tests.prediction.conftest import drawn, framing, photo, run_folder  # noqa: F401 - fixtures
from tests.random_model import OTHERS, POSE, write_random_model

COPIES = 6


@pytest.fixture
def crowd(drawn: Path, photo: RgbImage, tmp_path: Path) -> Path:  # noqa: F811
    """Eight faces many times, two in one photo, a picture of nobody and one that is broken."""
    root = tmp_path / "crowd"
    for number, face in enumerate(sorted((drawn / "train").rglob("*.jpg"))):
        for copy in range(COPIES):
            target = root / f"{copy:02}" / f"{number}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(face, target)
    (root / "00" / "broken.png").write_bytes(b"\x89PNG")
    (root / "00" / "two.jpg").write_bytes(encode_jpeg(photo, 95))
    (root / "nobody.jpg").write_bytes(encode_jpeg(np.full((64, 64, 3), 200, np.uint8), 95))
    return root


def settings_of(root: Path, model: Path, table: Path) -> list[str]:
    return [
        *(f"model={model}", f"data.root={root}", f"output.table={table}"),
        *("output.images_per_shard=16", "workers.actors=1"),  # a second one starts for longer than it works
    ]


def rows_of(table: Path) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = pq.read_table(table).sort_by("image_id").to_pylist()
    return read


def test_predict__killed_goes_on_and_says_of_every_image_once_what_the_library_says(
    crowd: Path,
    run_folder: Path,  # noqa: F811
    tmp_path: Path,
    cluster_environment: dict[str, str],
    start: Callable[..., Job],
) -> None:
    table = tmp_path / "table"
    job = start("predict", *settings_of(crowd, run_folder, table), environment=cluster_environment)
    while job.process.poll() is None and not list(table.glob("part-*.parquet")):
        time.sleep(0.05)
    assert job.process.poll() is None, "there is more to do"
    job.stop()
    kept = {file.name: file.stat().st_mtime_ns for file in table.glob("part-*.parquet")}
    again = start("predict", *settings_of(crowd, run_folder, table), environment=cluster_environment)
    output = again.finish()
    assert again.process.returncode == 0, output
    assert f"Results: {table}" in output
    assert {name: (table / name).stat().st_mtime_ns for name in kept} == kept
    names = {file.name for file in table.iterdir()} - {".manifest.pq", ".images.pq"}
    assert all(name.startswith("part-") for name in names)

    found = rows_of(table)
    predictor = load(run_folder)
    torch.set_num_threads(1)
    said = predictor.predict([crowd / row["image_id"] for row in found])
    assert [row["status"] for row in found] == [prediction.status for prediction in said]
    assert {row["image_id"]: len(row["faces"]) for row in found} | {"00/two.jpg": 2, "nobody.jpg": 0} == {
        row["image_id"]: len(row["faces"]) for row in found
    }
    for row, prediction in zip(found, said, strict=True):
        for face, its in zip(row["faces"], prediction.faces, strict=True):
            assert face["expression"] == its.expression
            np.testing.assert_allclose(face["probabilities"], its.probabilities, rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(face["landmarks"], its.landmarks.ravel(), rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(face["embedding"], its.embedding, rtol=1e-3, atol=1e-4)
    summary = json.loads((tmp_path / "table_run" / "summary.json").read_text())
    assert summary["images"] == len(found) == 8 * COPIES + 3
    assert (summary["undecodable"], summary["no_face"]) == (1, 1)
    assert summary["faces"] == sum(len(row["faces"]) for row in found)
    classes = Counter(face["expression"] for row in found for face in row["faces"])
    assert summary["expressions"] == classes


def test_count_predictions__of_a_table_of_other_tasks(framing: Framing, tmp_path: Path) -> None:  # noqa: F811
    model, root, table = tmp_path / BEST_MODEL_FILE, tmp_path / "images", tmp_path / "table"
    root.mkdir()
    write_random_model(model, OTHERS, 48, framing=framing)
    job = build_prediction_job(_config(root, model, table))
    happy = {"happy": "yes", "units": ["au01", "au04"]}
    sad = {"happy": "no", "units": []}
    faces = [[happy, sad], None, [happy]]
    rows = [
        {"image_id": f"{i}.jpg", "folder": "", "status": "ok" if found else "crashed", "faces": found}
        for i, found in enumerate(faces)
    ]
    table.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=job.schema), table / "part-0.parquet")
    counts = count_predictions(str(table))
    assert counts.names == {"happy": {"yes": 2, "no": 1}, "units": {"au01": 2, "au04": 2}}
    assert (counts.faces, counts.statuses) == (3, {"ok": 2, "crashed": 1})
    assert json.loads(job.schema.metadata[b"faceml.tasks"])["happy"]["classes"] == ["no", "yes"]

    write_random_model(model, {"pose": POSE}, 48, framing=framing)
    job = build_prediction_job(_config(root, model, tmp_path / "other"))
    row = {"image_id": "a.jpg", "folder": "", "status": "ok", "faces": [{"box": [0, 0, 1, 1]}]}
    (tmp_path / "other").mkdir()
    pq.write_table(pa.Table.from_pylist([row], schema=job.schema), tmp_path / "other" / "part-0.parquet")
    without = count_predictions(str(tmp_path / "other"))
    assert (without.faces, without.names) == (1, {})


@pytest.mark.soak
def test_predict__a_poisonous_image_costs_itself_alone(
    crowd: Path,
    run_folder: Path,  # noqa: F811
    tmp_path: Path,
    start: Callable[..., Job],
) -> None:
    root = tmp_path / "few"
    shutil.copytree(crowd / "01", root)
    for name in ("crash", "hang"):
        shutil.copy(root / "0.jpg", root / f"{name}.jpg")
    poison = write_poison(tmp_path / "poison", "faceml.prediction.extraction", "PredictionExtractor")
    settings = [*settings_of(root, run_folder, tmp_path / "table"), "workers.timeout_s=3"]
    job = start("predict", *settings, path=str(poison.folder))
    output = job.finish()
    assert job.process.returncode == 0, output
    statuses = {row["image_id"]: row["status"] for row in rows_of(tmp_path / "table")}
    assert statuses == {f"{n}.jpg": "ok" for n in range(8)} | {
        "crash.jpg": "crashed",
        "hang.jpg": "timed_out",
    }
    assert "2 images have no prediction: " in output


def _config(root: Path, model: Path, table: Path, **faces: Any) -> PredictConfig:
    return parse_config(
        PredictConfig,
        {"model": str(model), "data": {"root": str(root)}, "output": {"table": str(table)}}
        | ({"faces": faces} if faces else {}),
    )


def test_compute_diff__refuses_a_table_of_another_model_or_of_other_settings(
    crowd: Path,
    run_folder: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    job = build_prediction_job(_config(crowd, run_folder, tmp_path / "table"))
    (tmp_path / "table").mkdir()
    pq.write_table(pa.Table.from_pylist([], schema=job.schema), tmp_path / "table" / "part-0.parquet")
    assert compute_diff(job, tmp_path).num_to_extract == 8 * COPIES + 3
    other_settings = _config(crowd, run_folder, tmp_path / "table", kind="detected", max_faces=1)
    with pytest.raises(ConfigError, match=r"output\.table: .*faces\.max_faces is 10 there and 1 here"):
        compute_diff(build_prediction_job(other_settings), tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    state = torch.load(run_folder / BEST_MODEL_FILE, weights_only=True)
    state["model_state_dict"]["backbone.conv1.weight"][0, 0, 0, 0] += 1
    torch.save(state, other / BEST_MODEL_FILE)
    with pytest.raises(ConfigError, match=r"output\.table: .*model\.sha256 is '"):
        compute_diff(build_prediction_job(_config(crowd, other, tmp_path / "table")), tmp_path)


def test_check_inputs__takes_a_run_folder_or_a_model_and_nothing_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "m.pt").touch()
    for place in (tmp_path, tmp_path / "m.pt"):
        check_inputs(parse_config(PredictConfig, {"model": str(place)}))
    with pytest.raises(
        ConfigError, match=r"no such file or folder\. Name one with --set model=FILE_OR_FOLDER\."
    ):
        check_inputs(parse_config(PredictConfig, {"model": str(tmp_path / "none")}))


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"data": {"root": "."}}, "data.root and output.table go together"),
        ({"output": {"table": "t"}}, "data.root and output.table go together"),
        (
            {"data": {"root": ".", "paths": ["a.jpg"]}, "output": {"table": "t"}},
            "with output.table leave out data.paths",
        ),
        (
            {"data": {"root": "."}, "output": {"table": "t", "file": "p.jsonl"}},
            "leave out data.paths, output.file",
        ),
    ],
)
def test_config__of_a_table_is_refused_where_it_says_two_things(raw: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_config(PredictConfig, {"model": "m.pt"} | raw)
