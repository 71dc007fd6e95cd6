"""Configuration of predictions."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from faceml.config.base import AbsolutePath, Config, Count, Fraction, InputFile, StorageUri
from faceml.config.log import LoggingConfig

FILE_ENDINGS = (".jsonl", ".parquet")


class DetectedFaces(Config):
    """Look for faces, and show each to the network as it saw faces in training."""

    kind: Literal["detected"]
    max_faces: Annotated[int, Field(strict=True, ge=1, le=100)] = 10
    """Most faces looked for in one image, the largest first."""
    min_detection_confidence: Fraction = 0.5
    """Score below which MediaPipe's face detector sees no face."""
    model_path: InputFile | None = None
    """A `face_landmarker.task`; null looks in the cache, in installed packages, then downloads."""


class WholeFaces(Config):
    """Take each image for one face, whole, as training and `faceml evaluate` do; there is no head pose."""

    kind: Literal["whole"]


FacesConfig = Annotated[DetectedFaces | WholeFaces, Field(discriminator="kind")]


class PredictDataConfig(Config):
    """Which images."""

    paths: tuple[StorageUri, ...] = ()
    """Images and folders of images, paths or URIs; what the command line names comes in their place."""
    extensions: tuple[str, ...] = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
    """Endings of file names that count as images in a folder, upper or lower case."""


class PredictOutputConfig(Config):
    """Where predictions go."""

    file: AbsolutePath | None = None
    """Of JSON lines or Parquet, as its ending says; null prints JSON lines."""
    drawn: AbsolutePath | None = None
    """Folder for copies of the images with boxes, expressions and landmarks; null draws none."""

    @field_validator("file")
    @classmethod
    def _known_ending(cls, file: AbsolutePath | None) -> AbsolutePath | None:
        if file is not None and file.suffix not in FILE_ENDINGS:
            raise ValueError(f"must end in {' or '.join(FILE_ENDINGS)}")
        return file


class PredictConfig(Config):
    """`faceml predict`: what a trained model says of images."""

    model: StorageUri
    """Run folder of `faceml train`, or its `best_model.pt`; a path or URI."""
    data: PredictDataConfig = PredictDataConfig()
    faces: FacesConfig = DetectedFaces(kind="detected")
    batch_size: Count = 32
    """Faces that the network sees at once."""
    use_gpu: bool = False
    output: PredictOutputConfig = PredictOutputConfig()
    logging: LoggingConfig = LoggingConfig()
