"""Configuration of predictions."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from faceml.config.base import (
    Config,
    Count,
    DriverPlace,
    Fraction,
    InputFile,
    InputStorage,
    NonNegative,
    OutputFile,
    OutputFolder,
    Positive,
    RunOrModel,
    StorageUri,
)
from faceml.config.extract import folder_beside
from faceml.config.sections import LoggingConfig, StorageConfig

FILE_ENDINGS = (".jsonl", ".parquet")


class DetectedFaces(Config):
    """Look for faces, and show each to the network as it saw faces in training."""

    kind: Literal["detected"]
    max_faces: Annotated[int, Field(strict=True, ge=1, le=100)] = 10
    """Most faces looked for in one image, the largest first."""
    min_detection_confidence: Fraction = 0.5
    """Score below which MediaPipe's face detector sees no face."""
    zoom_levels: Annotated[int, Field(strict=True, ge=1, le=4)] = 2
    """1 looks at each image as a whole; each one more also at overlapping parts of it, of 256 px at least,
    and finds faces half as large. A square image then costs 10, 59 or 284 looks in place of 1."""
    model_path: InputFile | None = None
    """A `face_landmarker.task`; null looks in the cache, in installed packages, then downloads."""


class WholeFaces(Config):
    """Take each image for one face, whole, as training and `faceml evaluate` do; there is no head pose."""

    kind: Literal["whole"]


FacesConfig = Annotated[DetectedFaces | WholeFaces, Field(discriminator="kind")]


class PredictDataConfig(Config):
    """Which images."""

    paths: tuple[DriverPlace, ...] = ()
    """Images and folders of images, paths or URIs; what the command line names comes in their place."""
    root: InputStorage | None = None
    """In place of `paths`: a folder of which every image gets a row of `output.table`."""
    follow_links: bool = False
    """Follow symbolic links that lead out of `root`. Without it such files get the status `unreadable`."""
    extensions: tuple[str, ...] = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
    """Endings of file names that count as images in a folder, upper or lower case."""


class PredictOutputConfig(Config):
    """Where predictions go."""

    file: OutputFile | None = None
    """Of JSON lines or Parquet, as its ending says; null prints JSON lines."""
    drawn: OutputFolder | None = None
    """Folder for copies of the images with boxes, expressions and landmarks; null draws none."""
    table: StorageUri | None = None
    """Folder of Parquet files with a row for each image below `data.root`, made by Ray on all CPUs there are.
    A table that is already there is completed: its rows are not made again."""
    on_change: Literal["report", "re-extract"] = "report"
    """What to do about images that changed or vanished since: name them, or make the table follow."""
    images_per_shard: Count = 500
    """Rows of one Parquet file of the table, at most."""

    @field_validator("file")
    @classmethod
    def _known_ending(cls, file: Path | None) -> Path | None:
        if file is not None and file.suffix not in FILE_ENDINGS:
            raise ValueError(f"must end in {' or '.join(FILE_ENDINGS)}")
        return file


class PredictWorkersConfig(Config):
    """Who makes a table."""

    actors: Count | Literal["auto"] = "auto"
    """Processes at once; `auto` is one for each CPU of the cluster that has memory for it, and its share of a
    GPU."""
    gpus_each: Annotated[float, Field(gt=0.0, le=1.0)] = 0.25
    """What each takes of a GPU, with `use_gpu`."""
    wait_for_nodes_s: NonNegative = 600.0
    """For so long a first CPU, and GPU, is waited for on a cluster that starts nodes on demand."""
    timeout_s: Positive = 30.0
    """An image that takes longer is tried again, and in the end `timed_out`."""
    max_attempts: Count = 2
    """Times that an image may crash or hang its process until it gets a row that says so."""
    images_per_process: Count = 20_000
    """A process is replaced by a new one after so many images."""


class PredictRunConfig(Config):
    """Where the summary of a table and the resolved configuration go."""

    folder: DriverPlace | None = None
    """A path or URI; null puts them beside the table, in `<table>_run`."""


class PredictConfig(Config):
    """`faceml predict`: what a trained model says of images."""

    model: RunOrModel
    """Run folder of `faceml train`, or its `best_model.pt`; a path or URI."""
    data: PredictDataConfig = PredictDataConfig()
    faces: FacesConfig = DetectedFaces(kind="detected")
    batch_size: Count = 32
    """Faces that the network sees at once; for a table they are of at most 32 images."""
    use_gpu: bool = False
    output: PredictOutputConfig = PredictOutputConfig()
    workers: PredictWorkersConfig = PredictWorkersConfig()
    storage: StorageConfig = StorageConfig()
    logging: LoggingConfig = LoggingConfig()
    run: PredictRunConfig = PredictRunConfig()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        data, output = self.data, self.output
        if (data.root is None) != (output.table is None):
            raise ValueError("data.root and output.table go together: set both, or neither")
        if output.table is not None and (data.paths or output.file or output.drawn):
            raise ValueError(
                "with output.table leave out data.paths, output.file and output.drawn: a table has a row for "
                "every image below data.root"
            )
        return self

    @property
    def run_folder(self) -> str:
        """Folder of a table's summary, a path or URI; empty without a table."""
        table = self.output.table
        return (self.run.folder or folder_beside(table)) if table else ""
