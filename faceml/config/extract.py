"""Configuration of landmark extraction."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from faceml.config.base import (
    Config,
    Count,
    CountOrZero,
    DriverPlace,
    Fraction,
    InputFile,
    InputStorage,
    NonNegative,
    Positive,
    StorageUri,
)
from faceml.config.sections import LoggingConfig, StorageConfig


class ExtractDataConfig(Config):
    """Which images."""

    root: InputStorage
    """Folder of faces, a path or a URI such as `s3://bucket/faces`; every image below it gets a row."""
    extensions: tuple[str, ...] = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
    """File name endings that count as images, upper or lower case."""
    max_bytes: Count = 64 * 2**20
    """Larger files get the status `too_large`."""
    max_pixels: Count = 64 * 10**6
    """Images whose header promises more pixels get the status `too_large`, undecoded."""
    follow_links: bool = False
    """Follow symbolic links that lead out of `root`. Without it such files get the status `unreadable`."""


class LandmarkerConfig(Config):
    """The detector, and how many of it run at once."""

    model_path: InputFile | None = None
    """A `face_landmarker.task`; null looks in the cache, in installed packages, then downloads."""
    max_faces: Annotated[int, Field(strict=True, ge=1, le=20)] = 1
    """Faces looked for in one image; the largest gives the landmarks."""
    min_detection_confidence: Fraction = 0.5
    """Score below which MediaPipe's face detector sees no face."""
    actors: Count | Literal["auto"] = "auto"
    """Detector processes; `auto` is one for each CPU of the cluster that has memory for it."""
    wait_for_nodes_s: NonNegative = 600.0
    """For so long a first CPU is waited for on a cluster that has none yet and starts nodes on demand."""
    decode: Literal["reduced", "full"] = "reduced"
    """`reduced` decodes large JPEGs at a fraction of their size while every face keeps enough pixels."""
    timeout_s: Positive = 30.0
    """An image that keeps its detector busy for longer is tried again, and in the end `timed_out`."""
    max_attempts: Count = 2
    """Times that an image may crash or hang the detector until it gets a row that says so."""
    images_per_process: Count = 20_000
    """A detector process is replaced by a new one after so many images."""


class FaceCropConfig(Config):
    """Cut the training copy to the face."""

    margin: NonNegative = 0.25
    """Added on each side, as a fraction of the longer side of the landmarks' box."""


class EmbedConfig(Config):
    """A re-encoded copy of each image in the table, so that training needs nothing but the table."""

    size: Count = 256
    """Longest side in px; smaller images stay as they are. Of aligned faces the side, whatever it was."""
    quality: Annotated[int, Field(strict=True, ge=1, le=100)] = 95
    crop: FaceCropConfig | None = None
    """Null keeps the whole image. Images without a face are never cut."""
    align: bool = False
    """Turn, scale and cut the face so that five landmarks lie on ArcFace's template; for face recognition."""

    @model_validator(mode="after")
    def _cut_one_way(self) -> Self:
        if self.align and self.crop:
            raise ValueError("output.embed.align cuts the face in its own way; leave output.embed.crop null")
        return self


class ExtractOutputConfig(Config):
    """Where the table goes and what is in it."""

    table: StorageUri
    """Folder of Parquet files. A table that is already there is completed: its rows are not made again."""
    on_change: Literal["report", "re-extract"] = "report"
    """What to do about images that changed or vanished since: name them, or make the table follow."""
    images_per_shard: Count = 500
    """Rows of one Parquet file, at most."""
    store_mesh: bool = False
    """Keep all 478 points as float16."""
    embed: EmbedConfig | None = None
    """Keep a training copy of each image in the column `image_jpeg`."""


class ExtractRunConfig(Config):
    """Where the summary, the report and the resolved configuration go."""

    folder: DriverPlace | None = None
    """A path or URI; null puts them beside the table, in `<table>_run`."""


class QualityConfig(Config):
    """What the report looks for."""

    other_tables: tuple[StorageUri, ...] = ()
    """Tables of the other splits: images that nearly equal one of theirs are listed."""
    max_hash_distance: Annotated[int, Field(strict=True, ge=0, le=8)] = 2
    """Bits of 64 in which the perceptual hashes of near-duplicates differ, at most."""
    least_plausible: CountOrZero = 24
    """Least plausible landmark sets that the report draws."""


class ExtractConfig(Config):
    """`faceml extract`: a folder of faces becomes a landmark table."""

    data: ExtractDataConfig
    landmarker: LandmarkerConfig = LandmarkerConfig()
    output: ExtractOutputConfig
    storage: StorageConfig = StorageConfig()
    logging: LoggingConfig = LoggingConfig()
    run: ExtractRunConfig = ExtractRunConfig()
    quality: QualityConfig = QualityConfig()
    min_detection_rate: Fraction = 0.8
    """Folders below this rate are warned about."""
    report_faces: Count = 48
    """Faces on the overlay sheet of the report."""

    @property
    def run_folder(self) -> str:
        """Folder of the run's results, a path or URI."""
        return self.run.folder or folder_beside(self.output.table)


def folder_beside(table: str) -> str:
    """Return where an extraction puts its results if nothing else is wanted, a path or URI as the table's."""
    path, mark, parameters = table.partition("?") if "://" in table else (table, "", "")
    return f"{path.rstrip('/')}_run{mark}{parameters}"
