"""Configuration of synthetic faces."""

from typing import Annotated, Literal

from pydantic import Field

from faceml.config.base import Config, Count, OutputFolder, Seed
from faceml.config.sections import LoggingConfig

SplitName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class SynthOutputConfig(Config):
    """Where the faces go."""

    root: OutputFolder
    """New or empty folder; gets a folder for each split, and `landmarks` with the true points."""


class SynthConfig(Config):
    """`faceml synth`: draw faces of people who do not exist, with exact landmarks."""

    output: SynthOutputConfig
    layout: Literal["affectnet", "identity"] = "affectnet"
    """`affectnet` has folders 0 to 7 of expressions; `identity` has one folder for each person."""
    splits: Annotated[dict[SplitName, Count], Field(min_length=1)] = {"train": 2000, "val": 400}
    """Of each split the number of images (`affectnet`) or of people (`identity`)."""
    images_per_person: Count = 20
    """Only for `identity`."""
    image_size_px: Annotated[int, Field(strict=True, ge=32, le=2048)] = 350
    """Side of the square images."""
    jpeg_quality: Annotated[int, Field(strict=True, ge=1, le=100)] = 90
    processes: Count | None = None
    """Processes that draw; null takes one for each CPU."""
    seed: Seed = 0
    logging: LoggingConfig = LoggingConfig()
