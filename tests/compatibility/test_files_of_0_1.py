"""Tables, models and run folders that faceml 0.1.0 wrote open unchanged; see README.md here."""

import importlib.metadata
import json
import lzma
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import faceml
from faceml.config.base import Config
from faceml.config.evaluate import EvaluateConfig
from faceml.config.evaluate_recognition import EvaluateRecognitionConfig
from faceml.config.extract import ExtractConfig
from faceml.config.loading import dotted_keys, load_config, load_yaml, parse_config
from faceml.config.predict import PredictConfig
from faceml.config.recognition import RecognitionConfig
from faceml.config.sections.model import ModelConfig
from faceml.config.study import StudyConfig
from faceml.config.train import TrainConfig
from faceml.config.tune import TuneConfig
from faceml.images.decoding import decode_image
from faceml.models.recognition import build_face_resnet
from faceml.reporting.training.summary import training_summary
from faceml.runs.files import read_metrics, read_summary
from faceml.runs.run_folder import RunFolder
from faceml.search.scores import ACCURACY
from faceml.tables.json_export import export_json
from faceml.tables.landmark_table import table_metadata_of
from faceml.tables.sorted_rows import read_table
from faceml.training.checkpoint import read_state
from faceml.training.recognition import build_people
from faceml.training.trained_model import is_recognition, load_trained_recognition
from faceml.training.verification.pairs_table import read_pairs_table
from ray_jobs.cluster.connection import RayCluster
from ray_jobs.local import evaluation, forgetting, recognition_evaluation
from ray_jobs.search import study, tuning
from ray_jobs.tables.extraction_job import build_extraction_job
from ray_jobs.tables.predictions import build_prediction_job, count_predictions
from ray_jobs.tables.table_diff import compute_diff
from ray_jobs.training import multitask, recognition
from ray_jobs.training.resuming import load_interrupted_training

MADE = Path(__file__).parent / "files"
ROOT = "/srv/faceml"
"""What stands in the files for the folder that they were made in."""
CONFIGS: dict[str, type[Config]] = {
    "tables/faces/val_run/config.yaml": ExtractConfig,
    "tables/predictions_run/config.yaml": PredictConfig,
    "runs/finished/config.yaml": TrainConfig,
    "runs/interrupted/config.yaml": TrainConfig,
    "runs/recognition/config.yaml": RecognitionConfig,
    "runs/evaluation/config.yaml": EvaluateConfig,
    "runs/search/config.yaml": TuneConfig,
    "runs/search/best_config.yaml": TrainConfig,
    "runs/search/trials/trial_00001/config.yaml": TrainConfig,
    "runs/study/config.yaml": StudyConfig,
    "runs/study/trials/pretrained_seed_0/config.yaml": RecognitionConfig,
}
CLOCKED = ("wall_s", "train/images_per_second")
WORDED = ("answer", "answers", "verdicts")
COUNTED = ("val/accuracy", "val/macro_f1", "val/confusion_matrix")
"""These jump when rounding moves one face from one expression to another."""
RENAMED = {"train/broken_steps": "train/nonfinite_steps"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files in a folder of their own, as if they had been moved there from where they were made."""
    root = tmp_path_factory.mktemp("of_0_1") / "files"
    shutil.copytree(MADE, root)
    for packed in root.rglob("*.xz"):
        with lzma.open(packed) as content, packed.with_suffix("").open("wb") as file:
            shutil.copyfileobj(content, file)
        packed.unlink()
    for config in root.rglob("*.yaml"):
        config.write_text(config.read_text(encoding="utf-8").replace(ROOT, str(root)), encoding="utf-8")
    for row in read_table(root / "tables/faces/val", ["modified_ns"]).to_pylist():
        os.utime(root / "faces/val" / row["image_id"], ns=(row["modified_ns"], row["modified_ns"]))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FACEML_CACHE", str(root / "cache"))
        yield root


@pytest.fixture(scope="module")
def cluster(files: Path) -> Iterator[None]:
    with RayCluster():
        yield


@pytest.fixture
def their_mediapipe(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MediaPipe says that it has the version that the tables were made with: of another they are refused."""
    detector = json.loads(table_metadata_of(files / "tables/faces/val")["faceml.detector"])
    ours = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata,
        "version",
        lambda package: detector["version"] if package == "mediapipe" else ours(package),
    )


def expected(name: str) -> Any:
    return json.loads((MADE / "expected" / name).read_text(encoding="utf-8"))


def expected_records(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (MADE / "expected" / name).read_text(encoding="utf-8").splitlines()]


def figures(record: dict[str, Any]) -> dict[str, Any]:
    """Return an epoch's record or a summary without what a clock says and without sentences."""
    return {name: value for name, value in record.items() if name not in (*CLOCKED, *WORDED)}


@pytest.mark.parametrize("file", CONFIGS)
def test_load_config__takes_each_value_from_a_written_file(file: str, files: Path) -> None:
    written = dotted_keys(load_yaml((files / file).read_text(encoding="utf-8")))
    loaded = dotted_keys(load_config(CONFIGS[file], files / file).model_dump(mode="json"))
    assert {key: loaded.get(key, "is gone") for key in written} == written


def test_read_table__has_all_columns_and_the_points(files: Path) -> None:
    for split, images in (("train", 24), ("val", 16)):
        rows = read_table(files / "tables/faces" / split)
        assert rows.num_rows == images
        assert rows.column_names == [
            *("image_id", "folder", "status", "width", "height", "num_faces", "landmarks_5", "landmarks_10"),
            *("yaw_deg", "pitch_deg", "roll_deg", "file_bytes", "modified_ns", "content_sha256", "dhash"),
            *("mesh", "image_jpeg", "crop_box"),
        ]
        row = rows.to_pylist()[0]
        copy = decode_image(row["image_jpeg"])
        assert not isinstance(copy, str)
        assert max(copy.shape) == 48
        assert (len(row["mesh"]), len(row["crop_box"]), row["status"]) == (3 * 478, 4, "ok")
    export_json(files / "tables/faces/val", files / "landmarks.json", 5)
    assert json.loads((files / "landmarks.json").read_text(encoding="utf-8")) == expected("landmarks.json")


@pytest.mark.usefixtures("their_mediapipe")
def test_compute_diff__nothing_is_left_to_extract(files: Path, tmp_path: Path) -> None:
    job = build_extraction_job(load_config(ExtractConfig, files / "tables/faces/val_run/config.yaml"))
    diff = compute_diff(job, tmp_path)
    assert (diff.is_empty, diff.num_rows, diff.num_deleted) == (True, 16, 0)


@pytest.mark.usefixtures("their_mediapipe")
def test_compute_diff__an_interrupted_extraction_goes_on_with_its_plan(files: Path, tmp_path: Path) -> None:
    overrides = [f"output.table={files / 'tables/interrupted'}"]
    config = load_config(ExtractConfig, files / "tables/faces/val_run/config.yaml", overrides)
    diff = compute_diff(build_extraction_job(config), tmp_path)
    (name,) = (file.name for file in (files / "tables/faces/val").iterdir())
    assert {shard: listed.num_rows for shard, listed in diff.plan.unfinished.shards()} == {name: 16}
    assert diff.new.num_rows == 0


@pytest.mark.usefixtures("their_mediapipe")
def test_compute_diff__nothing_is_left_to_predict_with_the_same_model(files: Path, tmp_path: Path) -> None:
    config = load_config(PredictConfig, files / "tables/predictions_run/config.yaml")
    diff = compute_diff(build_prediction_job(config), tmp_path)
    assert (diff.is_empty, diff.num_rows, diff.num_deleted) == (True, 16, 0)
    summary = read_summary(files / "tables/predictions_run")
    counts = count_predictions(str(config.output.table))
    assert (dict(counts.statuses), counts.names) == ({"ok": 16}, {"expression": summary["expressions"]})


def test_load__a_model_says_of_whole_images_what_it_said(files: Path) -> None:
    said = expected("predictions.json")["whole"]
    predictor = faceml.load(files / "runs/finished", finds_faces=False)
    found = [image.as_plain() for image in predictor.predict(files / "faces/val" / p["image"] for p in said)]
    for image, other in zip(found, said, strict=True):
        assert [image[name] for name in ("status", "width", "height")] == ["ok", 64, 64]
        (face,), (its,) = image["faces"], other["faces"]
        assert face["expression"] == its["expression"]
        assert face["box"] == its["box"] == [0, 0, 1, 1]
        assert face["yaw_deg"] is its["yaw_deg"] is None
        assert face["probabilities"] == pytest.approx(its["probabilities"], abs=1e-4)
        assert face["embedding"] == pytest.approx(its["embedding"], abs=1e-3)
        assert list(face["landmarks"]) == list(its["landmarks"])
        for name, point in its["landmarks"].items():
            assert face["landmarks"][name] == pytest.approx(point, abs=1e-4)


def test_load__a_model_finds_and_frames_faces_as_it_did(files: Path) -> None:
    """To a pixel of 64: the detector's last digits, which decide how a box is rounded, depend on the CPU."""
    said = expected("predictions.json")["detected"]
    predictor = faceml.load(files / "runs/finished")
    found = [image.as_plain() for image in predictor.predict(files / "faces/val" / p["image"] for p in said)]
    for image, other in zip(found, said, strict=True):
        (face,), (its,) = image["faces"], other["faces"]
        assert face["box"] == pytest.approx(its["box"], abs=0.02)
        for angle in ("yaw_deg", "pitch_deg", "roll_deg"):
            # The camera pointed at the middle of the image, here it points at the face.
            assert face[angle] == pytest.approx(its[angle], abs=2)
        assert face["probabilities"] == pytest.approx(its["probabilities"], abs=0.1)
        for name, point in its["landmarks"].items():
            assert face["landmarks"][name] == pytest.approx(point, abs=0.05)


def test_training_summary__of_the_records_of_a_run_is_the_written_one(files: Path) -> None:
    written = read_summary(files / "runs/finished")
    found = training_summary(read_metrics(files / "runs/finished"), written["wall_s"], ACCURACY)
    assert found.pop("selection") == {"metric": "val/accuracy", "mode": "max"}
    assert found == written


def test_evaluate__is_what_it_was_and_compares_itself_with_the_old_one(files: Path) -> None:
    old = files / "runs/evaluation"
    overrides = [f"run.folder={files / 'runs/evaluation_again'}", f"compare_with=[{old}]"]
    evaluation.run(load_config(EvaluateConfig, old / "config.yaml", overrides))
    found, written = (
        pq.read_table(r / "predictions.parquet") for r in (files / "runs/evaluation_again", old)
    )
    assert {f.name: f.type for f in found.schema} == {f.name: f.type for f in written.schema}
    for name in ("image_id", "label", "has_landmarks", "predicted"):
        assert found[name].to_pylist() == written[name].to_pylist()
    for name in ("brightness", "probabilities", "landmarks"):
        np.testing.assert_allclose(found[name].to_pylist(), written[name].to_pylist(), atol=1e-4)
    summary, before = read_summary(files / "runs/evaluation_again"), read_summary(old)
    (compared,) = summary.pop("compared").values()
    assert (compared["value"], compared["accuracy"]) == (0, before["accuracy"])
    assert summary.keys() >= before.keys() - {"compared"}
    assert summary["nme_interocular"] == pytest.approx(before["nme_interocular"], rel=1e-4)
    assert summary["confusion_matrix"] == before["confusion_matrix"]


def test_recognition__embeds_and_verifies_as_it_did(files: Path) -> None:
    run = files / "runs/recognition"
    config = load_config(RecognitionConfig, run / "config.yaml")
    people = build_people(config.data)
    recognition.refuse_other_people(people.train.people, RunFolder(run))
    state = read_state(run / "best_model.pt")
    assert is_recognition(state)
    trained = load_trained_recognition(state, run / "best_model.pt")
    people.val.source.prepare()
    for image_id, embedding in expected("embeddings.json").items():
        image = people.val[list(people.val.image_ids).index(image_id)].image
        with torch.inference_mode():
            found = trained.model(trained.preprocessing.normalize(image[None]))[0]
        np.testing.assert_allclose(found.numpy(), embedding, atol=1e-3)
    pairs = recognition.verify(config, people, run / "best_model.pt")
    written = read_pairs_table(run / "pairs.parquet")
    np.testing.assert_allclose(pairs.scores, written.scores, atol=1e-3)
    np.testing.assert_array_equal(pairs.same, written.same)
    np.testing.assert_array_equal(pairs.folds, written.folds)

    val = config.data.val.model_dump(mode="json") | {"pairs": config.data.pairs.model_dump(mode="json")}
    evaluated = {"model": str(run), "sets": {"val": val}, "run": {"folder": str(files / "runs/verified")}}
    (found,) = recognition_evaluation.run(parse_config(EvaluateRecognitionConfig, evaluated)).sets
    np.testing.assert_allclose(found.pairs.scores, written.scores, atol=1e-3)


def test_build_face_resnet__starts_from_the_backbone_of_a_model(files: Path) -> None:
    weights = files / "runs/finished/best_model.pt"
    model = build_face_resnet(ModelConfig(weights=str(weights), embedding_dim=16))
    state = read_state(weights)["model_state_dict"]
    for name, tensor in model.backbone.state_dict().items():
        assert torch.equal(tensor, state[f"backbone.{name}"]), name


def test_forget__names_the_rows_of_a_person_and_the_models_that_saw_them(files: Path) -> None:
    tables = [str(files / "tables/people/val")]
    found = forgetting.run("val_00000", tables, [str(files / "runs")], dry_run=True)
    assert [each.images for each in found.removed] == [[f"val_00000/000{n}.jpg" for n in range(4)]]
    runs = {run.folder: run.reason for run in found.derived.runs}
    assert runs[str(files / "runs/recognition")] == f"trained on {tables[0]}"
    assert all(Path(folder).is_relative_to(files / "runs") for folder in runs)
    (predicted,) = forgetting.run("3", [str(files / "tables/predictions")], [], dry_run=True).removed
    assert predicted.images == ["3/000003.jpg", "3/000011.jpg"]


@pytest.mark.usefixtures("cluster")
def test_train__an_interrupted_training_goes_on_from_its_checkpoint(files: Path) -> None:
    run = files / "runs/interrupted"
    config = load_interrupted_training(run, [f"data.cache={files / 'cache'}"])
    multitask.run(config)
    before, *after = expected_records("resumed_metrics.jsonl")
    first, *found = read_metrics(run)
    assert first == before, "of the epoch before the interruption"
    for record, its in zip(found, after, strict=True):
        assert record.keys() == {RENAMED.get(name, name) for name in its}
        assert record["train/learning_rate"] == pytest.approx(its["train/learning_rate"])
    for name, value in figures(after[0]).items():
        # Not of later epochs: the rounding of another processor grows with each step, there to a fifth.
        if name not in COUNTED:
            assert found[0][RENAMED.get(name, name)] == pytest.approx(value, rel=1e-2, abs=1e-3), name
    assert read_summary(run)["best"] == before
    best = read_state(run / "best_model.pt")["model_state_dict"]
    kept = read_state(run / "checkpoints/checkpoint_epoch_000001/model.pt")["model_state_dict"]
    assert all(torch.equal(best[name], tensor) for name, tensor in kept.items())


@pytest.mark.usefixtures("cluster")
def test_tune__a_search_whose_trials_have_ended_only_tells_again(files: Path) -> None:
    folder, written = files / "runs/search", MADE / "runs/search"
    trials = tuning.run(load_config(TuneConfig, folder / "config.yaml"))
    assert [trial.name for trial in trials] == ["trial_00000", "trial_00001"]
    assert figures(read_summary(folder)) == figures(read_summary(written))
    for name in ("trials.csv", "configurations.csv"):
        assert (folder / name).read_text(encoding="utf-8") == (written / name).read_text(encoding="utf-8")
    for name in ("trials.parquet", "epochs.parquet", "configurations.parquet"):
        assert pq.read_table(folder / name).equals(pq.read_table(written / name)), name
    best = load_config(TrainConfig, folder / "best_config.yaml")
    assert best.optimizer.learning_rate == trials[0].settings["optimizer.learning_rate"]
    for trial in trials:
        kept = folder / "trials" / trial.name / "metrics.jsonl"
        assert kept.read_bytes() == (written / "trials" / trial.name / "metrics.jsonl").read_bytes()
    assert (folder / "report.html").is_file()


@pytest.mark.usefixtures("cluster")
def test_study__whose_trainings_have_ended_only_tells_again(files: Path) -> None:
    folder, written = files / "runs/study", MADE / "runs/study"
    _, runs = study.run(load_config(StudyConfig, folder / "config.yaml"))
    assert {(run.arm, run.seed, run.error) for run in runs} == {
        (arm, seed, None) for arm in ("scratch", "pretrained") for seed in (0, 1)
    }
    found, before = (dotted_keys(figures(read_summary(place))) for place in (folder, written))
    assert found.keys() >= before.keys()
    for name, value in before.items():
        assert found[name] == (value if isinstance(value, str) else pytest.approx(value)), name
    assert (folder / "report.html").is_file()
