"""Configuration of a study, a comparison of face recognition trainings on the same people."""

from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from faceml.config.base import Config, Seed, StorageUri
from faceml.config.config_error import ConfigError
from faceml.config.loading import assign_keys, dotted_keys, parse_config
from faceml.config.recognition import RecognitionConfig
from faceml.config.sections.search_space import Arm, ArmName
from faceml.config.tune import TrialResources

COMMON_KEYS = (
    "training.epochs",
    "training.accumulate_batches",
    "data.people_per_batch",
    "data.images_per_person",
    "data.train",
    "data.val",
    "data.pairs",
)
"""Keys in which all arms agree."""


class StudyRunConfig(Config):
    """Location of the results."""

    folder: StorageUri
    """Folder of the results, a path or a URI such as `s3://bucket/runs/study`."""
    keep_models: bool = False
    """Keep the final network of each training, `best_model.pt` in its folder below `trials`, such as for
    `faceml evaluate` on other people; 45 MB each with ResNet-18."""


class StudyConfig(Config):
    """`faceml transfer` with `arms`: comparison of training methods by verification accuracy."""

    recognition: RecognitionConfig
    """Settings common to all arms."""
    arms: Annotated[dict[ArmName, Arm], Field(min_length=2)]
    """Settings of each arm that differ; all arms are trained on the same number of images."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2)
    """Random seeds; each arm is trained with each of them."""
    targets: tuple[Annotated[float, Field(gt=0.5, lt=1.0)], ...] = (0.6, 0.7, 0.8, 0.9)
    """Verification accuracies; the report has the number of images after which each arm reaches them."""
    trial: TrialResources = TrialResources()
    """Resources of one training; as many trainings run in parallel as resources allow."""
    run: StudyRunConfig

    @property
    def metric(self) -> str:
        """Name of the metric that is monitored while the study runs."""
        return "verification/accuracy"

    @property
    def trainings(self) -> dict[str, dict[str, Any]]:
        """Arm and seed of each training by its name, all arms of the first seed first."""
        return {f"{arm}_seed_{seed}": {"arm": arm, "seed": seed} for seed in self.seeds for arm in self.arms}

    @model_validator(mode="after")
    def _no_seed_twice(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)}: contains duplicates; remove them")
        return self

    @model_validator(mode="after")
    def _one_process_each(self) -> Self:
        if self.trial.workers > 1:
            raise ValueError(
                f"trial.workers: {self.trial.workers}: a study trains each arm in one process. Set it to 1; "
                "several trainings run in parallel"
            )
        return self


def build_arm_config(
    config: StudyConfig, arm: str, seed: int, folder: str | Path, cpus: int = 1
) -> RecognitionConfig:
    """Return the configuration of one training of a study.

    Args:
        config: Configuration of the study.
        arm: Name of the arm.
        seed: Random seed of the training.
        folder: Run folder, a path or URI.
        cpus: Number of CPUs.

    Raises:
        ConfigError: The arm is no valid recognition configuration.
    """
    own = {
        "seed": seed,
        "run.folder": str(folder),
        "scaling.num_train_workers": 1,
        "scaling.cpus_per_worker": cpus,
        "scaling.use_gpu": config.trial.gpus > 0,
    }
    arm_keys = dotted_keys(config.arms[arm])
    ignored = sorted(arm_keys.keys() & own.keys())
    if ignored:
        raise ConfigError(
            f"arms.{arm}: {ignored[0]} is set by the study. Remove it; seeds are set in seeds, and resources "
            "in trial."
        )
    # By dotted keys: assigning a whole section would reset the keys that it omits to their defaults.
    raw = assign_keys(config.recognition.model_dump(mode="json"), arm_keys | own)
    return parse_config(RecognitionConfig, raw, f"arms.{arm}")


def with_checked_arms(config: StudyConfig) -> StudyConfig:
    """Return a study whose arms have validated values and absolute paths, which are valid in every worker.

    Raises:
        ConfigError: An arm is no valid recognition configuration.
    """
    arms = {}
    for name, arm in config.arms.items():
        built = dotted_keys(build_arm_config(config, name, 0, config.run.folder).model_dump(mode="json"))
        arms[name] = {key: built.get(key, value) for key, value in dotted_keys(arm).items()}
    return config.model_copy(update={"arms": arms})


def refuse_unequal_arms(config: StudyConfig) -> None:
    """Refuse arms that differ in data, batch size or number of training images.

    Raises:
        ConfigError: An arm differs in one of them, or may stop early.
    """
    for name in config.arms:
        arm = build_arm_config(config, name, 0, config.run.folder)
        if arm.training.patience_epochs is not None:
            raise ConfigError(
                f"arms.{name}: training.patience_epochs would stop it early. Arms are compared after the "
                "same number of images: set it to null."
            )
        for key in COMMON_KEYS:
            common, own = (attrgetter(key)(each) for each in (config.recognition, arm))
            if common != own:
                raise ConfigError(
                    f"arms.{name}: differs from recognition in {key}. Arms are compared on the same people "
                    "after the same number of images: set it under recognition, for all arms."
                )
