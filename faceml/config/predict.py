"""Configuration of prediction."""

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
from faceml.config.extract import IMAGE_EXTENSIONS, folder_beside, refuse_table_as_run_folder
from faceml.config.sections.runtime import Engine, LoggingConfig, StorageConfig

FILE_ENDINGS = (".jsonl", ".parquet")


class DetectedFaces(Config):
    """Detection of faces, each preprocessed as in training."""

    kind: Literal["detected"]
    engine: Engine = "mediapipe"
    """`litert` runs the networks of the same model without MediaPipe's graph, in less time; it needs
    `pip install 'faceml[litert]'`."""
    max_faces: Annotated[int, Field(strict=True, ge=0, le=100)] = 10
    """Largest number of faces in one image; the largest faces are kept. 0: all."""
    min_detection_confidence: Fraction = 0.5
    """Minimum confidence score of MediaPipe's face detector."""
    zoom_levels: Annotated[int, Field(strict=True, ge=1, le=4)] = 2
    """1 runs the detector on the whole image. Each further level adds overlapping tiles of at least 256 px,
    which finds faces of half the size. A square image then takes 10, 59 or 284 detector runs."""
    second_look: bool = True
    """Where no face is found, search again in the image with a margin and in parts of it."""
    confirm: bool = True
    """Reject detections whose mesh and appearance are not those of a face, such as animals and patterns."""
    model_path: InputFile | None = None
    """Path of `face_landmarker.task`; null searches the cache and installed packages, then downloads it."""


class WholeFaces(Config):
    """Each whole image as one face, as in training and `faceml evaluate`, without head pose."""

    kind: Literal["whole"]


FacesConfig = Annotated[DetectedFaces | WholeFaces, Field(discriminator="kind")]


class PredictDataConfig(Config):
    """Selection of images."""

    paths: tuple[DriverPlace, ...] = ()
    """Images and folders of images, paths or URIs; replaced by those on the command line."""
    root: InputStorage | None = None
    """Folder instead of `paths`; each image below it gets a row of `output.table`."""
    follow_links: bool = False
    """Follow symbolic links to folders, and to files outside `root`. Otherwise such folders are left out with
    a warning, and such files get the status `unreadable`."""
    extensions: tuple[str, ...] = IMAGE_EXTENSIONS
    """File name extensions of images in a folder, case-insensitive."""


class PredictOutputConfig(Config):
    """Location of predictions."""

    file: OutputFile | None = None
    """File of predictions in JSON lines (`.jsonl`) or Parquet (`.parquet`); null prints JSON lines."""
    drawn: OutputFolder | None = None
    """Folder for copies of the images with boxes, points and captions; null writes none."""
    table: StorageUri | None = None
    """Folder of Parquet files with a row for each image below `data.root`, computed by Ray on all CPUs. An
    existing table is completed: its rows are not computed again."""
    on_change: Literal["report", "re-extract"] = "report"
    """Action for images that were changed or deleted since: report them, or update the table."""
    images_per_shard: Count = 500
    """Largest number of rows of a Parquet file of the table."""

    @field_validator("file")
    @classmethod
    def _known_ending(cls, file: Path | None) -> Path | None:
        if file is not None and file.suffix not in FILE_ENDINGS:
            raise ValueError(f"must end in {' or '.join(FILE_ENDINGS)}")
        return file


class PredictWorkersConfig(Config):
    """Processes that compute a table."""

    actors: Count | Literal["auto"] = "auto"
    """Number of processes; `auto` uses one for each CPU of the cluster, as far as memory and GPUs allow."""
    gpus_each: Annotated[float, Field(gt=0.0, le=1.0)] = 0.25
    """Fraction of a GPU for each process, with `use_gpu`."""
    wait_for_nodes_s: NonNegative = 600.0
    """Seconds to wait for the first CPU, and GPU, on a cluster that starts nodes on demand."""
    timeout_s: Positive = 30.0
    """Time limit of one image, in seconds. After `max_attempts` it gets the status `timed_out`."""
    max_attempts: Count = 2
    """Number of attempts for an image that crashes or hangs its process, before it is recorded as failed."""
    images_per_process: Count = 20_000
    """Number of images after which a process is replaced by a new one."""


class PredictRunConfig(Config):
    """Location of the summary of a table and of the resolved configuration."""

    folder: DriverPlace | None = None
    """Folder, a path or URI; null: `<table>_run`, beside the table."""


class PredictConfig(Config):
    """`faceml predict`: predictions of a trained model for images."""

    model: RunOrModel
    """Run folder of `faceml train`, or its `best_model.pt`; a path or URI."""
    data: PredictDataConfig = PredictDataConfig()
    faces: FacesConfig = DetectedFaces(kind="detected")
    batch_size: Count = 32
    """Number of faces in a batch; for a table, from at most 32 images."""
    use_gpu: bool = False
    flip_test: bool = False
    """Average the outputs for each face and its mirror image, with twice the time of the network."""
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
        if output.table is not None:
            refuse_table_as_run_folder(output.table, self.run_folder)
        return self

    @property
    def run_folder(self) -> str:
        """Folder of a table's summary, a path or URI; empty without a table."""
        table = self.output.table
        return (self.run.folder or folder_beside(table)) if table else ""
