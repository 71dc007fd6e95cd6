"""The files in configs/: each is read by its job, and hides no option of it."""

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from faceml.config.base import Config
from faceml.config.demo import DemoConfig, build_stages
from faceml.config.evaluate import EvaluateConfig
from faceml.config.evaluate_landmarks import EvaluateLandmarksConfig
from faceml.config.evaluate_recognition import EvaluateRecognitionConfig
from faceml.config.export import ExportConfig
from faceml.config.extract import ExtractConfig
from faceml.config.loading import load_yaml, parse_config
from faceml.config.predict import PredictConfig
from faceml.config.recognition import RecognitionConfig
from faceml.config.sections.losses import LandmarkLossConfig, MarginConfig
from faceml.config.sections.search_space import Dimension, corners, random_variants
from faceml.config.sections.tracking import MlflowTracking
from faceml.config.sections.weighting import WeightingConfig
from faceml.config.shipped import find_config, shipped_configs
from faceml.config.study import StudyConfig, build_arm_config, refuse_unequal_arms
from faceml.config.synth import SynthConfig
from faceml.config.train import AdamWConfig, SGDConfig, TrainConfig
from faceml.config.tune import (
    RetrainConfig,
    SchedulerConfig,
    SearcherConfig,
    TrialResources,
    TuneConfig,
    build_running_trial,
)

CONFIGS = Path(__file__).parents[2] / "configs"
MODELS: dict[str, type[Config]] = {
    "arcface_casia.yaml": RecognitionConfig,
    "demo.yaml": DemoConfig,
    "evaluate.yaml": EvaluateConfig,
    "evaluate_landmarks.yaml": EvaluateLandmarksConfig,
    "evaluate_recognition.yaml": EvaluateRecognitionConfig,
    "export.yaml": ExportConfig,
    "extract_landmarks.yaml": ExtractConfig,
    "ferplus.yaml": TrainConfig,
    "ferplus_weighting.yaml": TuneConfig,
    "multitask_affectnet.yaml": TrainConfig,
    "multitask_pose.yaml": TrainConfig,
    "people_study.yaml": StudyConfig,
    "predict.yaml": PredictConfig,
    "synth.yaml": SynthConfig,
    "transfer_study.yaml": StudyConfig,
    "tune_multitask.yaml": TuneConfig,
    "tune_weighting.yaml": TuneConfig,
}


def shipped(name: str) -> dict[str, Any]:
    raw: dict[str, Any] = load_yaml((CONFIGS / name).read_text(encoding="utf-8"))
    return raw


def keys(section: dict[str, Any], prefix: str = "") -> set[str]:
    nested = [keys(value, f"{prefix}{name}.") for name, value in section.items() if isinstance(value, dict)]
    return {prefix + name for name in section}.union(*nested)


def test_shipped_configs__are_the_files_of_the_checkout() -> None:
    assert [file.resolve() for file in shipped_configs()] == sorted(CONFIGS.iterdir())


def test_find_config__an_edited_file_comes_before_that_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config("predict.yaml").resolve() == CONFIGS / "predict.yaml"
    Path("configs").mkdir()
    Path("configs/predict.yaml").touch()
    assert find_config("predict.yaml") == Path("configs/predict.yaml")
    assert find_config("synth.yaml").resolve() == CONFIGS / "synth.yaml"


def test_configs__every_file_has_a_model() -> None:
    assert {file.name for file in CONFIGS.iterdir()} == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_configs__every_file_is_read_by_its_job(name: str) -> None:
    assert isinstance(parse_config(MODELS[name], shipped(name)), MODELS[name])


@pytest.mark.parametrize("name", MODELS)
def test_configs__the_first_lines_say_what_for_and_the_exact_command(name: str) -> None:
    first, second, *_ = (CONFIGS / name).read_text(encoding="utf-8").splitlines()
    assert first.startswith("# ")
    assert f"--config configs/{name}" in second


@pytest.mark.parametrize(
    "name",
    [
        "arcface_casia.yaml",
        "evaluate.yaml",
        "evaluate_landmarks.yaml",
        "evaluate_recognition.yaml",
        "export.yaml",
        "extract_landmarks.yaml",
        "multitask_affectnet.yaml",
        "predict.yaml",
        "synth.yaml",
    ],
)
def test_configs__no_option_is_undocumented(name: str) -> None:
    raw = shipped(name)
    assert keys(raw) == keys(parse_config(MODELS[name], raw).model_dump(mode="json"))


def test_configs__the_options_of_kinds_not_chosen_are_in_the_comments() -> None:
    text = (CONFIGS / "multitask_affectnet.yaml").read_text(encoding="utf-8")
    kinds: list[type[BaseModel]] = [AdamWConfig, SGDConfig, *get_args(get_args(WeightingConfig)[0])]
    kinds += [MlflowTracking, *get_args(get_args(LandmarkLossConfig)[0])]
    assert len(kinds) == 17
    missing = [
        f"{kind.__name__}.{field}" for kind in kinds for field in kind.model_fields if field not in text
    ]
    assert not missing
    words = [value for kind in kinds for name in ("kind", "name") if name in kind.model_fields
             for value in get_args(kind.model_fields[name].annotation)]  # fmt: skip
    assert len(words) == 17
    assert not [word for word in words if word not in text]


@pytest.mark.parametrize("name", ["tune_multitask.yaml", "tune_weighting.yaml"])
def test_configs__the_searched_settings_suit_the_training(name: str) -> None:
    config = parse_config(TuneConfig, shipped(name))
    for settings in corners(config.search):
        assert isinstance(build_running_trial(config, settings, CONFIGS), TrainConfig)


def test_configs__the_options_of_a_search_are_in_the_file_or_its_comments() -> None:
    text = (CONFIGS / "tune_multitask.yaml").read_text(encoding="utf-8")
    assert keys(shipped("tune_multitask.yaml")) >= {*TuneConfig.model_fields} | {
        f"trial.{name}" for name in TrialResources.model_fields
    }
    kinds: list[type[BaseModel]] = [RetrainConfig]
    for union in (SearcherConfig, SchedulerConfig, Dimension):
        kinds += get_args(get_args(union)[0])
    assert len(kinds) == 12
    assert not [f"{kind.__name__}.{name}" for kind in kinds for name in kind.model_fields if name not in text]
    words = [get_args(kind.model_fields["kind"].annotation)[0] for kind in kinds[1:]]
    assert not [word for word in words if word not in text]


def test_configs__the_search_for_a_weighting_has_every_kind_and_three_seeds_of_each() -> None:
    config = parse_config(TuneConfig, shipped("tune_weighting.yaml"))
    found = random_variants(config.search, 1, 0)
    kinds = [get_args(kind.model_fields["kind"].annotation)[0]
             for kind in get_args(get_args(WeightingConfig)[0])]  # fmt: skip
    assert {settings["weighting.kind"] for settings in found} == set(kinds)
    arms = [{key: value for key, value in settings.items() if key != "seed"} for settings in found]
    assert {arms.count(arm) for arm in arms} == {3}
    assert sum(arm["weighting.kind"] == "fixed" for arm in arms) == 15


def test_configs__the_margins_not_chosen_are_in_the_comments() -> None:
    text = (CONFIGS / "arcface_casia.yaml").read_text(encoding="utf-8")
    kinds: list[type[BaseModel]] = [*get_args(get_args(MarginConfig)[0])]
    assert len(kinds) == 3
    assert not [f"{kind.__name__}.{name}" for kind in kinds for name in kind.model_fields if name not in text]
    assert not [kind for kind in kinds if get_args(kind.model_fields["kind"].annotation)[0] not in text]


def test_configs__the_study_has_the_five_arms_of_the_question_and_three_seeds() -> None:
    config = parse_config(StudyConfig, shipped("transfer_study.yaml"))
    refuse_unequal_arms(config)
    arms = [build_arm_config(config, arm, 0, CONFIGS) for arm in config.arms]
    tried = {(arm.data.sampling, str(arm.model.weights).rpartition("/")[2]) for arm in arms}
    assert tried == {
        ("naive", "none"),
        ("pk", "none"),
        ("pk", "imagenet"),
        ("pk", "best_model.pt"),
        ("naive", "best_model.pt"),
    }
    assert config.seeds == (0, 1, 2)


def test_configs__the_demo_gives_every_stage_a_whole_configuration() -> None:
    stages = build_stages(parse_config(DemoConfig, shipped("demo.yaml")))
    assert stages.extract.keys() == {"train", "val"}
    assert str(stages.train.data.train.table) == stages.extract["train"].output.table
    assert stages.extract["val"].data.root == str(stages.synth.output.root / "val")
    assert stages.extract["val"].quality.other_tables == (stages.extract["train"].output.table,)
    assert stages.tune.train.model == stages.train.model
