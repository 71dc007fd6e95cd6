"""Configuration of landmark extraction."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from faceml.config.base import Config, Count, Fraction, InputFile, InputFolder, OutputFolder


class ExtractDataConfig(Config):
    """Which images."""

    root: InputFolder
    """Folder of faces; every image below it gets a row."""
    extensions: tuple[str, ...] = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
    """File name endings that count as images, upper or lower case."""
    max_bytes: Count = 64 * 2**20
    """Larger files get the status `too_large`."""
    max_pixels: Count = 64 * 10**6
    """Images whose header promises more pixels get the status `too_large`, undecoded."""


class LandmarkerConfig(Config):
    """The detector, and how many of it run at once."""

    model_path: InputFile | None = None
    """A `face_landmarker.task`; null looks in the cache, in installed packages, then downloads."""
    max_faces: Annotated[int, Field(strict=True, ge=1, le=20)] = 1
    """Faces looked for in one image; the largest gives the landmarks."""
    min_detection_confidence: Fraction = 0.5
    """Score below which MediaPipe's face detector sees no face."""
    actors: Count | Literal["auto"] = "auto"
    """Detector processes; `auto` is one for each CPU of the cluster."""


class EmbedConfig(Config):
    """A re-encoded copy of each image in the table, so that training needs nothing but the table."""

    max_side_px: Count = 256
    quality: Annotated[int, Field(strict=True, ge=1, le=100)] = 95


class ExtractOutputConfig(Config):
    """Where the table goes and what is in it."""

    table: OutputFolder
    """Folder of Parquet files. A table that is already there is completed: its rows are not made again."""
    images_per_shard: Count = 256
    """Rows of one Parquet file, at most."""
    store_mesh: bool = False
    """Keep all 478 points as float16."""
    embed: EmbedConfig | None = None
    """Keep a training copy of each image in the column `image_jpeg`."""


class ExtractRunConfig(Config):
    """Where the summary, the report and the resolved configuration go."""

    folder: OutputFolder | None = None
    """Null puts them beside the table, in `<table>_run`."""


class ExtractConfig(Config):
    """`faceml extract`: a folder of faces becomes a landmark table."""

    data: ExtractDataConfig
    landmarker: LandmarkerConfig = LandmarkerConfig()
    output: ExtractOutputConfig
    run: ExtractRunConfig = ExtractRunConfig()
    min_detection_rate: Fraction = 0.8
    """Folders below this rate are warned about."""
    report_faces: Count = 48
    """Faces on the overlay sheet of the report."""

    @property
    def run_folder(self) -> Path:
        """Folder of the run's results."""
        return self.run.folder or self.output.table.with_name(f"{self.output.table.name}_run")
