"""Arms are compared on equal terms, or refused."""

from pathlib import Path
from typing import Any

import pytest

from faceml.config.config_error import ConfigError
from faceml.config.loading import parse_config
from faceml.config.study import StudyConfig, build_arm_config, refuse_unequal_arms, with_checked_arms


def study(arms: dict[str, Any], **changes: Any) -> StudyConfig:
    recognition = {
        "data": {split: {"table": f"/{split}"} for split in ("train", "val")},
        "run": {"folder": "/a"},
    }
    return parse_config(
        StudyConfig, {"recognition": recognition, "arms": arms, "run": {"folder": "/study"}} | changes
    )


def test_build_arm_config__has_what_is_common_what_is_its_own_and_its_seed() -> None:
    config = study({"one": {}, "other": {"data.sampling": "naive", "margin.margin": 0.3}}, trial={"gpus": 1})
    built = build_arm_config(config, "other", 7, Path("/study/x"), cpus=2)
    assert (built.data.sampling, built.margin.margin, built.seed) == ("naive", 0.3, 7)
    assert (built.scaling.use_gpu, built.scaling.cpus_per_worker) == (True, 2)
    assert built.run.folder == "/study/x"
    assert config.trainings["other_seed_2"] == {"arm": "other", "seed": 2}
    assert len(config.trainings) == 6


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.epochs", 3),
        ("data.people_per_batch", 8),
        ("training.accumulate_batches", 2),
        ("data.images_per_person", 2),
        ("data.train.table", "/elsewhere"),
        ("data.val.table", "/elsewhere"),
        ("data.pairs.seed", 1),
    ],
)
def test_refuse_unequal_arms__names_the_arm_and_what_differs(key: str, value: Any) -> None:
    config = study({"one": {}, "other": {key: value}})
    expected = ".".join(key.split(".")[:2])
    with pytest.raises(ConfigError, match=rf"arms.other: differs from recognition in {expected}"):
        refuse_unequal_arms(config)


def test_refuse_unequal_arms__all_arms_may_not_leave_the_data_of_the_study() -> None:
    other = {"data.val.table": "/elsewhere"}
    with pytest.raises(ConfigError, match=r"arms.one: differs from recognition in data\.val\. "):
        refuse_unequal_arms(study({"one": other, "other": other}))


@pytest.mark.parametrize("key", ["seed", "run.folder", "scaling.use_gpu"])
def test_build_arm_config__names_a_key_that_the_study_sets(key: str) -> None:
    values = {"seed": 1, "run.folder": "/x", "scaling.use_gpu": True}
    with pytest.raises(ConfigError, match=rf"^arms\.other: {key} is set by the study"):
        build_arm_config(study({"one": {}, "other": {key: values[key]}}), "other", 0, Path("/x"))


def test_build_arm_config__a_section_changes_only_the_keys_that_it_has() -> None:
    config = study({"one": {}, "other": {"model": {"backbone": "resnet50"}}})
    common = config.recognition.model_copy(
        update={"model": config.recognition.model.model_copy(update={"embedding_dim": 64})}
    )
    config = config.model_copy(update={"recognition": common})
    built = build_arm_config(config, "other", 0, Path("/x"))
    assert (built.model.backbone, built.model.embedding_dim) == ("resnet50", 64)


def test_with_checked_arms__paths_mean_the_same_wherever_an_arm_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = with_checked_arms(study({"one": {}, "other": {"model.weights": "runs/best_model.pt"}}))
    assert config.arms["other"] == {"model.weights": str(tmp_path / "runs" / "best_model.pt")}


def test_refuse_unequal_arms__none_may_end_early() -> None:
    with pytest.raises(ConfigError, match=r"arms.other: training.patience_epochs would stop it early"):
        refuse_unequal_arms(study({"one": {}, "other": {"training.patience_epochs": 3}}))


def test_refuse_unequal_arms__an_unknown_key_is_named_with_its_arm() -> None:
    with pytest.raises(ConfigError, match=r"arms\.other.*margn"):
        refuse_unequal_arms(study({"one": {}, "other": {"margn.margin": 0.3}}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {"one": {}}}, "arms"),
        ({"seeds": [1, 1]}, "contains duplicates"),
        ({"trial": {"workers": 2}}, "trains each arm in one process"),
        ({"targets": [0.4]}, "targets"),
    ],
)
def test_study__what_is_no_comparison_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        study(**({"arms": {"one": {}, "other": {}}} | changes))
