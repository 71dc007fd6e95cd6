"""`faceml evaluate-landmarks` on drawn faces, whose landmarks are known exactly."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import binomtest, ttest_1samp

from faceml.config.config_error import ConfigError
from faceml.config.evaluate_landmarks import EvaluateLandmarksConfig
from faceml.config.loading import load_yaml, parse_config
from faceml.images.framing import Framing
from faceml.storage.folder import StorageFolder
from faceml.synthetic.generate import generate_faces
from faceml.tables.landmark_table import read_shard_schema, shard_names, write_shard
from faceml.tables.sorted_rows import read_table
from ray_jobs.local import landmark_evaluation
from tests.annotations.annotated_files import mtfl_line, ten_px, wflw_line, write_pts
from tests.browser.page import faults_of
from tests.random_model import PAIR, write_random_model

COUNT = 40
SIDE_PX = 96

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of drawn faces in `train`, with their table in `landmarks/train`."""
    root = tmp_path_factory.mktemp("annotated") / "faces"
    generate_faces(root, "affectnet", {"train": COUNT}, image_size_px=SIDE_PX, seed=5, processes=1)
    return root


@pytest.fixture
def truth(drawn: Path) -> Rows:
    rows: Rows = read_table(drawn / "landmarks" / "train").to_pylist()
    return rows


def annotate(truth: Rows, folder: Path) -> Path:
    for row in truth:
        write_pts((folder / row["image_id"]).with_suffix(".pts"), ten_px(row))
    return folder


def write_table(rows: Rows, drawn: Path, place: Path) -> Path:
    folder = StorageFolder(drawn / "landmarks" / "train")
    write_shard(rows, read_shard_schema(folder, shard_names(folder)[0]), place / "part.parquet")
    return place


def moved(row: dict[str, Any], x_px: float, y_px: float) -> dict[str, Any]:
    shift = np.array([x_px, y_px]) / SIDE_PX
    points = {name: np.array(row[name]).reshape(-1, 2) + shift for name in ("landmarks_5", "landmarks_10")}
    return row | {name: values.ravel().tolist() for name, values in points.items()}


def missing(row: dict[str, Any], status: str) -> dict[str, Any]:
    empty = dict.fromkeys(("landmarks_5", "landmarks_10", "yaw_deg", "pitch_deg", "roll_deg"))
    return row | empty | {"status": status, "num_faces": 0}


def config(annotations: Path, drawn: Path, **changes: object) -> EvaluateLandmarksConfig:
    raw = {"annotations": str(annotations), "images": str(drawn / "train")}
    return parse_config(EvaluateLandmarksConfig, raw | changes)


def summary_of(settings: EvaluateLandmarksConfig) -> dict[str, Any]:
    landmark_evaluation.run(settings)
    summary: dict[str, Any] = json.loads((Path(settings.run_folder) / "summary.json").read_text())
    return summary


def outer_eyes(row: dict[str, Any]) -> float:
    ten = ten_px(row)
    return float(np.hypot(*(ten[0] - ten[3])))


def as_pts(truth: Rows, folder: Path) -> Path:
    return annotate(truth, folder / "pts")


def as_wflw(truth: Rows, folder: Path) -> Path:
    file = folder / "list_98pt_rect_attr_test.txt"
    file.write_text("\n".join(wflw_line(ten_px(row), row["image_id"]) for row in truth))
    return file


def as_mtfl(truth: Rows, folder: Path) -> Path:
    file = folder / "testing.txt"
    fives = (np.array(row["landmarks_5"]).reshape(-1, 2) * SIDE_PX for row in truth)
    file.write_text(
        "\n".join(mtfl_line(five, row["image_id"]) for five, row in zip(fives, truth, strict=True))
    )
    return file


@pytest.mark.parametrize(
    ("write", "normalizer"),
    [
        (as_pts, "distance of the outer eye corners"),
        (as_wflw, "distance of the outer eye corners"),
        (as_mtfl, "distance of the pupils"),
    ],
)
def test_run__a_table_with_the_annotated_points_has_no_error(
    write: Callable[[Rows, Path], Path], normalizer: str, truth: Rows, drawn: Path, tmp_path: Path
) -> None:
    place = write(truth, tmp_path)
    table = drawn / "landmarks" / "train"
    summary = summary_of(config(place, drawn, table=str(table), run={"folder": str(tmp_path / "run")}))
    assert (summary["faces"], summary["normalizer"], summary["left_out"]) == (COUNT, normalizer, {})
    for metrics in summary["table"].values():
        assert metrics["nme"] < 1e-6
        assert (metrics["missed"], metrics["another_face"], metrics["failures"]) == (0, 0, 0)
        assert metrics["area"] > 1 - 1e-4
    assert set(summary["table"]) == ({"5"} if write is as_mtfl else {"5", "10"})


def test_run__figures_follow_from_known_shifts_misses_and_other_faces(
    truth: Rows, drawn: Path, tmp_path: Path
) -> None:
    annotations = annotate(truth, tmp_path / "pts")
    write_pts(annotations / "not_extracted.pts", ten_px(truth[0]))
    rng = np.random.default_rng(0)
    shifts = rng.uniform(0.2, 6, COUNT)
    rows = [moved(row, 0.6 * px, -0.8 * px) for row, px in zip(truth, shifts, strict=True)]
    rows[3], rows[4] = missing(rows[3], "no_face"), missing(rows[4], "crashed")
    rows[5] = moved(truth[5], SIDE_PX, 0)
    rows[6] = missing(rows[6], "undecodable") | {"width": None, "height": None}
    settings = config(annotations, drawn, table=str(write_table(rows, drawn, tmp_path / "table")))
    summary = summary_of(settings)
    assert settings.run_folder == str(tmp_path / "table_evaluation")
    found, kept = summary["table"]["5"], [n for n in range(COUNT) if n != 6]
    assert summary["left_out"] == {"not in the table": 1, "undecodable": 1}
    assert (summary["faces"], found["missed"], found["another_face"]) == (COUNT - 1, 2, 1)
    nme = np.array([shifts[n] / outer_eyes(truth[n]) for n in kept if n not in (3, 4, 5)])
    np.testing.assert_allclose(found["nme"], nme.mean(), rtol=1e-4)
    np.testing.assert_allclose(found["nme_median"], np.median(nme), rtol=1e-4)
    limits = ttest_1samp(nme, 0).confidence_interval()
    np.testing.assert_allclose(found["nme_interval"], limits, rtol=1e-4)
    np.testing.assert_allclose(found["nme_nose_tip"], nme.mean(), rtol=1e-4)
    of_found = [*nme, SIDE_PX / outer_eyes(truth[5])]
    np.testing.assert_allclose(found["nme_found"], np.mean(of_found), rtol=1e-4)
    failures = 3 + int((nme > 0.08).sum())
    assert 3 < failures < len(kept)
    assert (found["failures"], found["failure_rate"]) == (failures, failures / len(kept))
    wilson = binomtest(failures, len(kept)).proportion_ci(method="wilson")
    np.testing.assert_allclose(found["failure_rate_interval"], wilson)
    np.testing.assert_allclose(found["miss_rate"], 2 / len(kept))
    area = np.maximum(0, 1 - nme / 0.08).sum() / len(kept)
    np.testing.assert_allclose(found["area"], area, rtol=1e-3)


def test_run__a_report_without_faults_and_figures_on_the_terminal(
    truth: Rows, drawn: Path, tmp_path: Path
) -> None:
    rows = [moved(row, 1, 1) for row in truth]
    rows[3], rows[5] = missing(rows[3], "no_face"), moved(truth[5], SIDE_PX, 0)
    rows[4] = missing(rows[4], "crashed") | {"width": None, "height": None}
    framing = Framing.of(
        np.array([row["landmarks_5"] for row in truth]).reshape(-1, 5, 2), np.full((COUNT, 2), SIDE_PX)
    )
    write_random_model(tmp_path / "run" / "best_model.pt", PAIR, 32, framing=framing)
    settings = config(
        annotate(truth, tmp_path / "pts"),
        drawn,
        table=str(write_table(rows, drawn, tmp_path / "table")),
        model=str(tmp_path / "run"),
    )
    console = Console(record=True, width=140)
    landmark_evaluation.run_and_show(settings, console)
    text = " ".join(console.export_text().split())
    summary = json.loads((tmp_path / "table_evaluation" / "summary.json").read_text())
    table, network = summary["table"]["5"], summary["network"]["5"]
    assert f"The landmarks of the table are {100 * table['nme']:.2f}" in text.replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert network["nme"] > table["nme"]
    assert network["matched"] > COUNT / 2
    assert summary["difference"]["faces"] <= min(network["matched"], table["matched"])
    assert summary["difference"]["nme"] > 0
    report = tmp_path / "table_evaluation" / "report.html"
    faults = faults_of(report)
    assert not faults, "\n".join(faults)
    page = report.read_text()
    for words in ("Largest errors", "Another face", "No face found", "Cumulative error", "Table by yaw"):
        assert words in page
    written = load_yaml((tmp_path / "table_evaluation" / "config.yaml").read_text())
    assert parse_config(EvaluateLandmarksConfig, written) == settings


def test_run__without_a_table_finds_the_images_in_their_folder(
    truth: Rows, drawn: Path, tmp_path: Path
) -> None:
    annotations = annotate(truth[:3], tmp_path / "pts")
    write_pts(annotations / "gone.pts", ten_px(truth[0]))
    framing = Framing(tuple(map(tuple, np.array(truth[0]["landmarks_5"]).reshape(5, 2).tolist())))
    write_random_model(tmp_path / "run" / "best_model.pt", PAIR, 32, framing=framing)
    summary = summary_of(
        config(annotations, drawn, model=str(tmp_path / "run"), run={"folder": str(tmp_path / "results")})
    )
    assert summary["left_out"] == {"not in the folder of images": 1}
    assert (summary["faces"], [*summary["network"]], summary["difference"]) == (3, ["5"], None)


def test_run__faces_beside_the_one_of_the_table_are_other_faces(
    truth: Rows, drawn: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [wflw_line(ten_px(row) + shift, row["image_id"]) for row in truth[:4] for shift in (0, SIDE_PX)]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    settings = config(
        tmp_path / "list.txt",
        drawn,
        images=None,
        table=str(drawn / "landmarks" / "train"),
        run={"folder": str(tmp_path / "run")},
    )
    summary = summary_of(settings)
    assert (summary["images"], summary["faces"]) == (4, 8)
    assert (summary["table"]["5"]["matched"], summary["table"]["5"]["another_face"]) == (4, 4)
    assert (
        "further annotated faces count as another face found"
        in (tmp_path / "run" / "report.html").read_text()
    )
    assert f"{tmp_path} has no {truth[0]['image_id']}: the report shows no faces" in caplog.text


def test_run__needs_landmarks_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^table and model: name landmarks to evaluate by --table, by"):
        landmark_evaluation.run(config(tmp_path, tmp_path, run={"folder": str(tmp_path)}))
    with pytest.raises(ConfigError, match=r"^run\.folder: name a folder for the results by --output"):
        landmark_evaluation.run(config(tmp_path, tmp_path, model=str(tmp_path)))


def test_run__refuses_images_of_which_none_can_be_evaluated(truth: Rows, drawn: Path, tmp_path: Path) -> None:
    rows = [missing(row, "undecodable") for row in truth]
    settings = config(
        annotate(truth, tmp_path / "pts"), drawn, table=str(write_table(rows, drawn, tmp_path / "table"))
    )
    with pytest.raises(ConfigError, match=rf"no annotated image can be evaluated \({COUNT} undecodable\)"):
        landmark_evaluation.run(settings)
    assert not (tmp_path / "table_evaluation").exists()
