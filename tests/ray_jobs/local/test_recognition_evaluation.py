"""Evaluation of face recognition: metrics recomputed from the scores, comparisons, continuation, errors."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console
from sklearn.metrics import roc_auc_score, roc_curve
from torch.nn import functional

from faceml.config.config_error import ConfigError
from faceml.config.evaluate import EvaluateConfig
from faceml.config.evaluate_recognition import EvaluateRecognitionConfig
from faceml.config.loading import dump_config, parse_config
from faceml.config.sections.model import ModelConfig
from faceml.datasets.person_dataset import AlignedPreprocessing, PersonDataset
from faceml.images.framing import Framing
from faceml.models.recognition import FaceResNet
from faceml.runs.run_folder import RunFolder
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from faceml.tables.sorted_rows import read_table
from faceml.training.checkpoint import write_state
from ray_jobs.jobs import find_job
from ray_jobs.local import evaluation, recognition_evaluation
from tests.browser.page import faults_of
from tests.random_model import PAIR, write_random_model

pytestmark = pytest.mark.usefixtures("narrow_backbone")

POINTS = ((0.35, 0.45), (0.65, 0.45), (0.5, 0.6), (0.38, 0.75), (0.62, 0.75))


def write_model(folder: Path, seed: int, split: Path | None = None, image_size: int = 32) -> str:
    """Write the run folder of a network that never learned anything, and return it.

    Args:
        folder: The run folder.
        seed: Seed of its weights.
        split: Table that it claims to be trained on and selected by.
        image_size: Side of its images, px.
    """
    torch.manual_seed(seed)
    network = FaceResNet(ModelConfig(embedding_dim=16))
    splits = {key: {"table": str(split)} for key in ("train", "val")} if split else {}
    config = {
        "model": {"backbone": "resnet18", "weights": "none", "embedding_dim": 16},
        "data": {"image_size": image_size, **splits},
        "margin": {},
    }
    state = {
        "model_state_dict": network.state_dict(),
        "config": config,
        "preprocessing": AlignedPreprocessing(image_size).fingerprint(),
        "metrics": {},
    }
    write_state(state, folder / "best_model.pt")
    return str(folder)


def write_lfw_pairs(table: Path, file: Path) -> None:
    """Write pairs of the people of a table in two folds, in LFW's format."""
    names = read_table(table, [])["image_id"].to_pylist()
    people = sorted({name.split("/")[0] for name in names})

    def number(person: str, place: int) -> int:
        own = [name for name in names if name.startswith(f"{person}/")]
        return int(Path(own[place]).stem)

    lines = [f"2\t{len(people) // 2}"]
    for half in (people[::2], people[1::2]):
        others = half[1:] + half[:1]
        lines += [f"{person}\t{number(person, 0)}\t{number(person, 1)}" for person in half]
        lines += [f"{a}\t{number(a, 2)}\t{b}\t{number(b, 3)}" for a, b in zip(half, others, strict=True)]
    file.write_text("\n".join(lines) + "\n")


@pytest.fixture
def settings(people: Path, tmp_path: Path) -> dict[str, Any]:
    """Settings of an evaluation of two models on drawn pairs and on pairs in LFW's format."""
    split = {"table": str(people / "tables" / "val"), "images": str(people / "faces" / "val")}
    write_lfw_pairs(people / "tables" / "val", tmp_path / "pairs.txt")
    return {
        "model": write_model(tmp_path / "first", 0),
        "compare": {"second": write_model(tmp_path / "other", 1, image_size=40)},
        "sets": {
            "drawn": split | {"pairs": {"number": 200}},
            "lfw": split | {"pairs": {"file": str(tmp_path / "pairs.txt")}},
        },
        "report": {"pairs": 3},
        "run": {"folder": str(tmp_path / "evaluation")},
    }


def evaluate(settings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Run an evaluation, and return its summary without the time."""
    config = parse_config(EvaluateRecognitionConfig, settings | changes)
    recognition_evaluation.run(config)
    summary: dict[str, Any] = json.loads(StorageFolder(config.run.folder).read("summary.json"))
    return {key: value for key, value in summary.items() if key != "wall_s"}


def accuracy_of_folds(scores: np.ndarray, same: np.ndarray, folds: np.ndarray) -> float:
    """Return the accuracy with the threshold of each fold that is best on the others."""
    thresholds = np.concatenate([[np.inf], np.sort(scores)[::-1]])
    right = (scores[None] >= thresholds[:, None]) == same[None]
    best = {fold: right[:, folds != fold].sum(axis=1).argmax() for fold in np.unique(folds).tolist()}
    return float(np.mean([right[best[fold], place] for place, fold in enumerate(folds.tolist())]))


def test_run__figures_follow_from_the_scores(settings: dict[str, Any], people: Path, tmp_path: Path) -> None:
    write_random_model(tmp_path / "multitask" / "best_model.pt", PAIR, 32, framing=Framing(POINTS))
    settings["compare"]["baseline"] = str(tmp_path / "multitask")
    config = parse_config(EvaluateRecognitionConfig, settings)
    findings = recognition_evaluation.run(config)
    folder = Path(config.run.folder)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["models"] == {"first": "recognition", "second": "recognition", "baseline": "multitask"}
    for name in ("drawn", "lfw"):
        found = summary["sets"][name]
        assert found["people"] == 8
        assert found["without_landmarks"]["images"] == 0
        for model, figures in found["models"].items():
            rows = pq.read_table(folder / f"{name}.{model}.parquet")
            scores, same = rows["score"].to_numpy(), rows["is_same"].to_numpy()
            people_of = [
                [image.split("/")[0] for image in rows[side].to_pylist()]
                for side in ("image_id", "other_image_id")
            ]
            np.testing.assert_array_equal(same, [a == b for a, b in zip(*people_of, strict=True)])
            expected = accuracy_of_folds(scores, same, rows["fold"].to_numpy())
            assert figures["accuracy"] == pytest.approx(expected)
            assert figures["area_under_curve"] == pytest.approx(roc_auc_score(same, scores))
            false, true, _ = roc_curve(same, scores, drop_intermediate=False)
            crossing = np.argmax(false >= 1 - true)
            assert 1 - true[crossing] <= figures["equal_error_rate"] <= 1 - true[crossing - 1]
            low, high = figures["accuracy_interval"]
            assert low < figures["accuracy"] < high
            assert figures["tar_at_far_1e-3"] is None, "too few pairs"
            assert figures["top_5"] >= figures["top_1"] > 0
        assert [each["other"] for each in found["compared"]] == ["second", "baseline"]
        for compared in found["compared"]:
            difference = found["models"]["first"]["accuracy"] - found["models"][compared["other"]]["accuracy"]
            assert compared["accuracy_difference"] == pytest.approx(difference)
            low, high = compared["interval"]
            assert low < compared["accuracy_difference"] < high
            assert compared["significant"] == (low > 0 or high < 0)
    assert summary["sets"]["drawn"]["pairs"] > summary["sets"]["lfw"]["pairs"] == 16
    assert len(summary["sets"]["lfw"]["models"]["first"]["fold_accuracies"]) == 2

    assert faults_of(folder / "report.html") == []
    report = (folder / "report.html").read_text()
    for text in (
        "drawn: pairs that first confuses most",
        "lfw: accuracy of each fold",
        "first − baseline",
        "baseline: a model of faceml train, which has not learned to tell people apart.",
    ):
        assert text in report
    console = Console(record=True, width=120)
    recognition_evaluation.show(findings, console)
    assert "drawn: the verification accuracy of first on " in console.export_text()


def embed(network: FaceResNet, faces: PersonDataset, name: str, *, flip: bool) -> torch.Tensor:
    """Return the normalised embedding of an image, or that of its sum with the mirror image's."""
    image = faces.preprocessing.normalize(faces.square(list(faces.image_ids).index(name))[None])
    with torch.no_grad():
        found = network(image) + network(image.flip(-1)) if flip else network(image)
    return functional.normalize(found)[0]


def test_run__goes_on_in_a_store_with_the_scores_that_are_there(
    settings: dict[str, Any],
    tmp_path: Path,
    in_s3: Callable[[Path], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FACEML_CACHE", str(tmp_path / "cache"))
    store = in_s3(tmp_path / "first")
    settings |= {"model": store, "run": {"folder": place_below(store, "evaluation")}}
    del settings["sets"]["drawn"]
    folder = StorageFolder(settings["run"]["folder"])
    scored = []
    score_split = recognition_evaluation.score_split

    def count(*args: Any, **options: Any) -> Any:
        scored.append(args)
        return score_split(*args, **options)

    monkeypatch.setattr(recognition_evaluation, "score_split", count)
    summary = evaluate(settings)
    files = ["config.yaml", "lfw.first.parquet", "lfw.second.parquet", "report.html", "summary.json"]
    assert folder.files() == files
    assert len(scored) == 2
    # As if it had been interrupted before the second model had scored the set.
    for name in ("report.html", "summary.json", "lfw.second.parquet"):
        folder.delete(name)
    assert evaluate(settings) == summary
    assert folder.files() == files
    assert len(scored) == 3

    split = settings["sets"]["lfw"]
    faces = PersonDataset(split["table"], split["images"], AlignedPreprocessing(32))
    network = FaceResNet(ModelConfig(embedding_dim=16)).eval()
    network.load_state_dict(torch.load(tmp_path / "first/best_model.pt")["model_state_dict"])
    for flip in (True, False):
        if not flip:
            evaluate(settings, flip_test=False, compare={})
            assert len(scored) == 4, "other embeddings are computed"
        rows = pq.read_table(io.BytesIO(folder.read("lfw.first.parquet"))).to_pylist()
        for row in rows[:3]:
            first, second = (
                embed(network, faces, row[side], flip=flip) for side in ("image_id", "other_image_id")
            )
            assert row["score"] == pytest.approx(float(first @ second), abs=1e-4)


def test_score_set__other_pairs_or_another_model_are_scored_again(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    def score() -> list[float]:
        config = parse_config(EvaluateRecognitionConfig, settings)
        ((name, model), *_) = recognition_evaluation.load_models(config).items()
        opened = recognition_evaluation.open_set("lfw", config.sets["lfw"], model.network.preprocessing)
        with RunFolder(config.run.folder) as run_folder:
            run_folder.renew(dump_config(config))
            found = recognition_evaluation.score_set(
                "lfw", name, opened, opened.digest, config, model, run_folder
            )
        return list(found.scored.scores)

    before = score()
    file = tmp_path / "evaluation/lfw.first.parquet"
    written_ns = file.stat().st_mtime_ns
    assert score() == before
    assert file.stat().st_mtime_ns == written_ns
    write_model(tmp_path / "first", 2)
    assert score() != before
    lines = (tmp_path / "pairs.txt").read_text().splitlines()
    (tmp_path / "pairs.txt").write_text("\n".join([lines[0], *lines[9:], *lines[1:9]]))
    other = score()
    write_model(tmp_path / "first", 0)
    assert sorted(score()) == pytest.approx(sorted(before))
    assert len(other) == len(before)


def test_find_leaks__states_what_a_model_has_seen(
    settings: dict[str, Any], people: Path, tmp_path: Path
) -> None:
    seen = {"model": write_model(tmp_path / "seen", 0, people / "tables" / "val"), "compare": {}}
    config = parse_config(EvaluateRecognitionConfig, settings | seen)
    models = recognition_evaluation.load_models(config)
    (selected, named, near) = recognition_evaluation.find_leaks("drawn", config, models)
    assert selected == "The best epoch of seen was selected on drawn: its figures are optimistic."
    (seen_model,) = models.values()
    final = {"seen": seen_model._replace(network=seen_model.network._replace(is_final=True))}
    assert recognition_evaluation.find_leaks("drawn", config, final) == [named, near]
    assert named.startswith("8 of 8 drawn people have the name of a person in the training split of ")
    assert "drawn images have a near-duplicate in the training split of " in near
    unknown = recognition_evaluation.find_leaks(
        "drawn", config, recognition_evaluation.load_models(parse_config(EvaluateRecognitionConfig, settings))
    )
    assert [line.partition(": ")[2] for line in unknown] == 2 * [
        "the images that these weights were trained on are unknown: they may contain drawn images."
    ]
    strict = settings | seen | {"leakage": {"on_found": "strict"}}
    with pytest.raises(ConfigError, match=r"^leakage\.on_found: strict: "):
        evaluate(strict)


def test_run__a_model_of_the_wrong_kind_is_named(
    settings: dict[str, Any], people: Path, tmp_path: Path
) -> None:
    torch.save({"state_dict": {}}, tmp_path / "backbone.pt")
    with pytest.raises(ConfigError, match=r"^model: .*backbone\.pt is neither a model of "):
        evaluate(settings, model=str(tmp_path / "backbone.pt"))
    multitask = {
        "model": settings["model"],
        "data": {key: settings["sets"]["drawn"][key] for key in ("table", "images")},
        "run": {"folder": str(tmp_path / "evaluation")},
    }
    with pytest.raises(ConfigError, match=r"of `faceml transfer`; a model of .*evaluate_recognition\.yaml"):
        evaluation.run(parse_config(EvaluateConfig, multitask))
    assert not (tmp_path / "evaluation").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"compare": {"first": "other"}},
            r"^compare\.first: this is already the name of the model .*first, which",
        ),
        ({"compare": {"gone": "gone"}}, r"^compare\.gone: there is no .*gone/best_model\.pt"),
        ({"use_gpu": True}, "use_gpu: true needs a GPU"),
        (
            {"sets": {"few": {"where": {"folder": ["PERSON"]}}}},
            r"^sets\.few\.table: 1 people have two ",
        ),
        ({"sets": {"bad": {"pairs": {"file": "bad.txt"}}}}, r"^sets\.bad\.pairs\.file: .*bad\.txt, line 1: "),
    ],
)
def test_run__mistakes_name_the_setting(
    changes: dict[str, Any],
    message: str,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    Path("bad.txt").write_text("no pairs\n")
    split = settings["sets"]["drawn"]
    person = read_table(split["table"], ["folder"])["folder"][0].as_py()
    for name, section in changes.get("sets", {}).items():
        where = {"folder": person} if "where" in section else {}
        changes = {"sets": {name: split | section | {"where": where}}}
    with pytest.raises(ConfigError, match=message):
        evaluate(settings, **changes)
    assert not Path(settings["run"]["folder"]).exists()


def test_find_job__of_evaluate_depends_on_its_settings() -> None:
    assert find_job("evaluate", {"sets": {}}).config == "EvaluateRecognitionConfig"
    assert find_job("evaluate", {"data": {}}).config == "EvaluateConfig"
