"""Configuration of a study: ways to train recognition, compared on the same people."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from faceml.config.base import Config, Seed, StorageUri
from faceml.config.config_error import ConfigError
from faceml.config.loading import assign_keys, dotted_keys, parse_config
from faceml.config.recognition import RecognitionConfig
from faceml.config.tune import TrialResources

ArmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$")]
Arm = dict[str, Any]
"""Dotted keys of the training of recognition, and their values."""


class StudyRunConfig(Config):
    """Where results go."""

    folder: StorageUri
    """A path or a URI such as `s3://bucket/runs/study`."""


class StudyConfig(Config):
    """`faceml transfer` with `arms`: which way of training tells unseen people apart best, if any does."""

    recognition: RecognitionConfig
    """What all arms have in common."""
    arms: Annotated[dict[ArmName, Arm], Field(min_length=2)]
    """For each arm what it does otherwise; all see equally many images."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2)
    """Each arm is trained with each."""
    targets: tuple[Annotated[float, Field(gt=0.5, lt=1.0)], ...] = (0.6, 0.7, 0.8, 0.9)
    """Verification accuracies; the study tells after how many images each arm reaches them."""
    trial: TrialResources = TrialResources()
    """What one training holds while it runs; as many run at once as there is room for."""
    run: StudyRunConfig

    @property
    def metric(self) -> str:
        """What is watched while it runs."""
        return "verification/accuracy"

    @property
    def trainings(self) -> dict[str, dict[str, Any]]:
        """For the name of each training its arm and seed, all arms with one seed first."""
        return {f"{arm}_seed_{seed}": {"arm": arm, "seed": seed} for seed in self.seeds for arm in self.arms}

    @model_validator(mode="after")
    def _no_seed_twice(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)}: one is there twice, and would train the same twice")
        return self

    @model_validator(mode="after")
    def _one_process_each(self) -> Self:
        if self.trial.workers > 1:
            raise ValueError(
                f"trial.workers: {self.trial.workers}: a study trains each arm in one process; more of them "
                "run at once"
            )
        return self


def build_arm_config(
    config: StudyConfig, arm: str, seed: int, folder: str | Path, cpus: int = 1
) -> RecognitionConfig:
    """Return what one training of a study runs.

    Args:
        config: Of the study.
        arm: Its name.
        seed: Of the training.
        folder: Of its run, a path or URI.
        cpus: That it has.

    Raises:
        ConfigError: The arm does not fit the training of recognition.
    """
    own = {
        "seed": seed,
        "run.folder": str(folder),
        "scaling.num_train_workers": 1,
        "scaling.cpus_per_worker": cpus,
        "scaling.use_gpu": config.trial.gpus > 0,
    }
    # Key by key: a section as a whole would put what it leaves out back to its default.
    raw = assign_keys(config.recognition.model_dump(mode="json"), dotted_keys(config.arms[arm]) | own)
    return parse_config(RecognitionConfig, raw, f"arms.{arm}")


def with_checked_arms(config: StudyConfig) -> StudyConfig:
    """Return a study whose arms have validated values, paths made absolute: trainings run elsewhere.

    Raises:
        ConfigError: An arm does not fit the training of recognition.
    """
    arms = {}
    for name, arm in config.arms.items():
        built = dotted_keys(build_arm_config(config, name, 0, config.run.folder).model_dump(mode="json"))
        arms[name] = {key: built.get(key, value) for key, value in dotted_keys(arm).items()}
    return config.model_copy(update={"arms": arms})


def refuse_unequal_arms(config: StudyConfig) -> None:
    """Refuse arms that do not see equally many images in batches of one size, or other people.

    Raises:
        ConfigError: Names two arms and what differs.
    """
    built = {arm: build_arm_config(config, arm, 0, config.run.folder) for arm in config.arms}
    (first, of_first), *others = built.items()
    early = [name for name, arm in built.items() if arm.training.patience_epochs is not None]
    if early:
        raise ConfigError(
            f"arms.{early[0]}: training.patience_epochs would end it early. Arms are compared after equally "
            "many images: leave it null."
        )
    for name, arm in others:
        for key, one, other in (
            ("training.epochs", of_first.training.epochs, arm.training.epochs),
            (
                "training.accumulate_batches",
                of_first.training.accumulate_batches,
                arm.training.accumulate_batches,
            ),
            ("data.people_per_batch", of_first.data.people_per_batch, arm.data.people_per_batch),
            ("data.images_per_person", of_first.data.images_per_person, arm.data.images_per_person),
            ("data.train", of_first.data.train, arm.data.train),
            ("data.val", of_first.data.val, arm.data.val),
            ("data.pairs", of_first.data.pairs, arm.data.pairs),
        ):
            if one != other:
                raise ConfigError(
                    f"arms.{name}: has another {key} than {first}. Arms are compared on the same people "
                    "after equally many images: set it under recognition, for all."
                )
