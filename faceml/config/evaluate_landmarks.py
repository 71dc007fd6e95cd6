"""Configuration of the evaluation of landmarks against people's annotations."""

from faceml.config.base import (
    Config,
    CountOrZero,
    DriverPlace,
    InputPlace,
    InputStorage,
    RunOrModel,
)
from faceml.config.extract import folder_beside
from faceml.config.sections.runtime import LoggingConfig


class EvaluateLandmarksRunConfig(Config):
    """Location of the results."""

    folder: DriverPlace | None = None
    """Folder, a path or URI; null: `<table>_evaluation`, beside the table. Needed without a table."""


class EvaluateLandmarksReportConfig(Config):
    """Examples in the report."""

    worst: CountOrZero = 24
    """Largest number of faces with the largest errors shown, and of failures of each kind."""


class EvaluateLandmarksConfig(Config):
    """`faceml evaluate-landmarks`: errors of landmarks against people's annotations."""

    annotations: InputPlace
    """Folder of 300-W's `.pts` files; list of MTFL or of WFLW, or its folder. A path or URI."""
    images: InputStorage | None = None
    """Folder of the annotated images, a path or URI; null: that of the annotations."""
    table: InputStorage | None = None
    """Landmark table of the annotated images, a path or URI; null evaluates only the model."""
    model: RunOrModel | None = None
    """Run folder of `faceml train`, or its `best_model.pt`, a path or URI, which predicts the images;
    null evaluates only the table."""
    use_gpu: bool = False
    report: EvaluateLandmarksReportConfig = EvaluateLandmarksReportConfig()
    logging: LoggingConfig = LoggingConfig()
    run: EvaluateLandmarksRunConfig = EvaluateLandmarksRunConfig()

    @property
    def run_folder(self) -> str:
        """Folder of the results, a path or URI; empty with neither a folder nor a table."""
        return self.run.folder or (folder_beside(self.table, "evaluation") if self.table else "")
