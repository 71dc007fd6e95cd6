"""Configuration of synthetic faces."""

from typing import Annotated, Literal

from pydantic import Field

from faceml.config.base import Config, Count, OutputFolder, Seed
from faceml.config.sections.runtime import LoggingConfig

SplitName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class SynthOutputConfig(Config):
    """Location of the images."""

    root: OutputFolder
    """New or empty folder for a folder of each split, and `landmarks` with the ground truth."""


class SynthConfig(Config):
    """`faceml synth`: synthetic faces with exact landmarks."""

    output: SynthOutputConfig
    layout: Literal["affectnet", "identity"] = "affectnet"
    """`affectnet` has folders 0 to 7 of expressions; `identity` has one folder for each person."""
    splits: Annotated[dict[SplitName, Count], Field(min_length=1)] = {"train": 2000, "val": 400}
    """Number of images (`affectnet`) or of people (`identity`) of each split."""
    images_per_person: Count = 20
    """Number of images of each person; only for `identity`."""
    image_size_px: Annotated[int, Field(strict=True, ge=32, le=2048)] = 350
    """Side of the square images, in px."""
    jpeg_quality: Annotated[int, Field(strict=True, ge=1, le=100)] = 90
    processes: Count | None = None
    """Number of processes that draw; null uses one for each CPU."""
    seed: Seed = 0
    logging: LoggingConfig = LoggingConfig()
