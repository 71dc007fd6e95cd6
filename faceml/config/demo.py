"""Configuration of the demonstration: the complete pipeline on synthetic faces."""

from typing import Annotated, Any

from pydantic import Field

from faceml.config.base import Config, OutputFolder
from faceml.config.extract import ExtractConfig
from faceml.config.loading import assign_keys, dotted_keys, parse_config
from faceml.config.sections.runtime import LoggingConfig
from faceml.config.synth import SynthConfig
from faceml.config.train import TrainConfig
from faceml.config.tune import TuneConfig

Settings = Annotated[dict[str, Any], Field(default_factory=dict)]


class DemoRunConfig(Config):
    """Location of the results."""

    folder: OutputFolder
    """Folder of all stages and of the report."""


class DemoConfig(Config):
    """`faceml demo`: synthetic faces, their landmarks, a trained model, a search.

    Each stage has the settings of its own configuration except paths, which are below the demo's folder.
    """

    run: DemoRunConfig
    logging: LoggingConfig = LoggingConfig()
    """Log format of all stages."""
    synth: Settings
    extract: Settings
    train: Settings
    tune: Settings
    """Settings of the search. Its training uses those of `train`, overridden by `tune.train`."""


class DemoStages(Config):
    """Complete configuration of every stage."""

    synth: SynthConfig
    extract: dict[str, ExtractConfig]
    """Configuration for each split."""
    train: TrainConfig
    tune: TuneConfig


def build_stages(config: DemoConfig) -> DemoStages:
    """Return the configuration of every stage, with its paths below the demo's folder.

    Raises:
        ConfigError: A setting of a stage is invalid; the message names the key with its section.
    """
    folder, log = config.run.folder, {"logging.format": config.logging.format}
    splits = {
        split: {"table": str(folder / "tables" / split), "images": str(folder / "faces" / split)}
        for split in ("train", "val")
    }
    extract = {
        split: assign_keys(
            config.extract,
            log
            | {
                "data.root": paths["images"],
                "output.table": paths["table"],
                "run.folder": str(folder / f"extract_{split}"),
                # The report lists validation images that are near-duplicates of training images.
                "quality.other_tables": [splits["train"]["table"]] if split == "val" else [],
            },
        )
        for split, paths in splits.items()
    }
    data = {"data.train": splits["train"], "data.val": splits["val"]}
    train = assign_keys(config.train, data | log | {"run.folder": str(folder / "train")})
    tune = dict(config.tune)
    searched = dotted_keys(tune.pop("train", {}))
    tune_train = assign_keys(train, searched | {"run.folder": str(folder / "tune" / "best")})
    return DemoStages(
        synth=parse_config(
            SynthConfig, assign_keys(config.synth, log | {"output.root": str(folder / "faces")}), "synth"
        ),
        extract={split: parse_config(ExtractConfig, raw, "extract") for split, raw in extract.items()},
        train=parse_config(TrainConfig, train, "train"),
        tune=parse_config(
            TuneConfig, tune | {"train": tune_train, "run": {"folder": str(folder / "tune")}}, "tune"
        ),
    )
