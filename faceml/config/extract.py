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
    InputPlaces,
    NonNegative,
    Positive,
    StorageUri,
)
from faceml.config.sections.runtime import Engine, LoggingConfig, QueriesConfig, StorageConfig

IMAGE_EXTENSIONS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".avif",
)  # fmt: skip
"""File name extensions of the formats that can be decoded."""


class ExtractDataConfig(Config):
    """Selection of images."""

    root: InputPlaces
    """Folder of face images, a path or a URI such as `s3://bucket/faces`; each image below it gets a row. Or
    several by names, `{affectnet: PLACE, ferplus: PLACE}`, which `image_id` begins with."""
    extensions: tuple[str, ...] = IMAGE_EXTENSIONS
    """File name extensions of images, case-insensitive; other files are left out and counted in the log."""
    max_bytes: Count = 64 * 2**20
    """Largest file size in bytes; larger files get the status `too_large`."""
    max_pixels: Count = 64 * 10**6
    """Largest number of pixels in an image's header; larger images get the status `too_large`, undecoded."""
    follow_links: bool = False
    """Follow symbolic links to folders, and to files outside `root`. Otherwise such folders are left out with
    a warning, and such files get the status `unreadable`."""


class LandmarkerConfig(Config):
    """Face landmark detector and its processes."""

    engine: Engine = "mediapipe"
    """`litert` runs the networks of the same model without MediaPipe's graph, in less time; it needs
    `pip install 'faceml[litert]'`."""
    model_path: InputFile | None = None
    """Path of `face_landmarker.task`; null searches the cache and installed packages, then downloads it."""
    max_faces: Annotated[int, Field(strict=True, ge=0, le=20)] = 5
    """Largest number of faces in one image, which `num_faces` counts; one of them gives the landmarks. 0: all
    faces, each with a row of its own and the columns `face` and `box`."""
    keep: Literal["largest", "central"] = "largest"
    """Face that gives the landmarks, the first one of several rows: the largest, or the one nearest to the
    middle of the image."""
    zoom_levels: Annotated[int, Field(strict=True, ge=1, le=4)] = 1
    """1 runs the detector on the whole image. Each further level adds overlapping tiles of at least 256 px,
    which finds faces of half the size. A square image then takes 10, 59 or 284 detector runs."""
    second_look: bool = True
    """Where no face is found, search again in the image with a margin and in parts of it."""
    confirm: bool = True
    """Reject detections whose mesh and appearance are not those of a face, such as animals and patterns."""
    min_detection_confidence: Fraction = 0.5
    """Minimum confidence score of MediaPipe's face detector."""
    actors: Count | Literal["auto"] = "auto"
    """Number of detector processes; `auto` uses one for each CPU of the cluster, as far as memory allows."""
    wait_for_nodes_s: NonNegative = 600.0
    """Seconds to wait for the first CPU on a cluster that starts nodes on demand."""
    decode: Literal["reduced", "full"] = "reduced"
    """`reduced` decodes large JPEGs at a reduced resolution that is sufficient for every face."""
    timeout_s: Positive = 30.0
    """Time limit of one image, in seconds. After `max_attempts` it gets the status `timed_out`."""
    max_attempts: Count = 2
    """Number of attempts for an image that crashes or hangs the detector, before it is recorded as failed."""
    images_per_process: Count = 20_000
    """Number of images after which a detector process is replaced by a new one."""


CROP_MARGIN = 0.25
"""Margin of a face that is cut out, as a fraction of the longer side of its landmarks' bounding box."""


class FaceCropConfig(Config):
    """Crop of the training copy to the face."""

    margin: NonNegative = CROP_MARGIN
    """Margin on each side, as a fraction of the longer side of the landmarks' bounding box."""


class EmbedConfig(Config):
    """Re-encoded copy of each image in the table, so that training needs only the table."""

    size: Count = 256
    """Longest side in px; smaller images are not enlarged. Aligned faces always have this side."""
    quality: Annotated[int, Field(strict=True, ge=1, le=100)] = 95
    """JPEG quality."""
    crop: FaceCropConfig | None = None
    """Crop to the face; null keeps the whole image. Images without a face are never cropped."""
    align: bool = False
    """Align the face to ArcFace's template by five landmarks, for face recognition."""

    @model_validator(mode="after")
    def _cut_one_way(self) -> Self:
        if self.align and self.crop:
            raise ValueError("output.embed.align crops the face itself; leave output.embed.crop null")
        return self


class ExtractOutputConfig(Config):
    """Location and content of the table."""

    table: StorageUri
    """Folder of Parquet files. An existing table is completed: its rows are not computed again."""
    on_change: Literal["report", "re-extract"] = "report"
    """Action for images that were changed or deleted since: report them, or update the table."""
    images_per_shard: Count = 500
    """Largest number of rows of a Parquet file."""
    store_mesh: bool = False
    """Store all 478 points as float16."""
    embed: EmbedConfig | None = None
    """Store a training copy of each image in the column `image_jpeg`; null does not."""


class ExtractRunConfig(Config):
    """Location of the summary, the report and the resolved configuration."""

    folder: DriverPlace | None = None
    """Folder, a path or URI; null: `<table>_run`, beside the table."""


class QualityConfig(Config):
    """Data quality checks of the report."""

    other_tables: tuple[StorageUri, ...] = ()
    """Tables of other splits, searched for near-duplicates of these images."""
    max_hash_distance: Annotated[int, Field(strict=True, ge=0, le=8)] = 2
    """Largest number of differing bits, of 64, between the perceptual hashes of near-duplicates."""
    least_plausible: CountOrZero = 24
    """Number of least plausible landmark sets shown in the report."""


class ExtractConfig(Config):
    """`faceml extract`: a landmark table from a folder of face images."""

    data: ExtractDataConfig
    landmarker: LandmarkerConfig = LandmarkerConfig()
    output: ExtractOutputConfig
    storage: StorageConfig = StorageConfig()
    logging: LoggingConfig = LoggingConfig()
    run: ExtractRunConfig = ExtractRunConfig()
    quality: QualityConfig = QualityConfig()
    queries: QueriesConfig = QueriesConfig()
    min_detection_rate: Fraction = 0.8
    """Detection rate of a folder below which faceml warns."""
    report_faces: Count = 48
    """Number of faces with landmark overlays in the report."""

    @model_validator(mode="after")
    def _two_folders(self) -> Self:
        refuse_table_as_run_folder(self.output.table, self.run_folder)
        return self

    @model_validator(mode="after")
    def _copies_of_faces(self) -> Self:
        embed = self.output.embed
        if self.landmarker.max_faces == 0 and embed and not (embed.crop or embed.align):
            raise ValueError(
                "landmarker.max_faces: 0 gives each face a row, and output.embed would store the whole image "
                "in each; set output.embed.crop or output.embed.align"
            )
        return self

    @property
    def run_folder(self) -> str:
        """Folder of the run's results, a path or URI."""
        return self.run.folder or folder_beside(self.output.table)


def folder_beside(table: str, job: str = "run") -> str:
    """Return the default run folder of a job on a table, beside it; a path or URI like the table's."""
    path, mark, parameters = table.partition("?") if "://" in table else (table, "", "")
    return f"{path.rstrip('/')}_{job}{mark}{parameters}"


def refuse_table_as_run_folder(table: str, run_folder: str) -> None:
    """Refuse a run folder that is the folder of the table.

    Raises:
        ValueError: They are the same.
    """
    if table.rstrip("/") == run_folder.rstrip("/"):
        raise ValueError("run.folder is output.table: a table has its folder to itself. Name another folder")
