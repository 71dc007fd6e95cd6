"""Configuration of the export of a trained model."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from faceml.config.base import Config, Count, RunOrModel, Seed, StorageUri
from faceml.config.sections.runtime import LoggingConfig
from faceml.config.sections.split import SplitConfig

ExportFormat = Literal["onnx", "exported_program"]


class QuantizeConfig(Config):
    """Quantisation of the ONNX model to int8, and measurement of the loss of accuracy."""

    calibration_images: Count = 200
    """Number of images sampled from `data` for the ranges of activations; excluded from the measurement."""
    seed: Seed = 0
    """Random seed of the sampling of calibration images."""
    weight_bits: Literal[7, 8] = 7
    """Number of bits of quantised weights. 8 requires CPUs with VNNI: on others the sum of two products of
    8 bits overflows 16 bits, and outputs are wrong without an error."""


class ExportRunConfig(Config):
    """Location of the results."""

    folder: StorageUri
    """Folder of the results, a path or URI."""


class ExportConfig(Config):
    """`faceml export`: a trained model as files that run without faceml, including preprocessing."""

    model: RunOrModel
    """Run folder of `faceml train` or `faceml transfer`, or its `best_model.pt`; a path or URI."""
    formats: tuple[ExportFormat, ...] = ("onnx", "exported_program")
    """`onnx` writes `model.onnx`, `exported_program` writes `model.pt2` for `torch.export.load`."""
    opset: Annotated[int, Field(strict=True, ge=17, le=23)] = 18
    """Version of the ONNX operator set. 17 has no antialiased resizing; it is computed by matrix products."""
    data: SplitConfig | None = None
    """Images for checking and quantising the export; null checks it on random images."""
    check_images: Count = 32
    """Number of images to check, sampled from `data` with `seed`."""
    quantize: QuantizeConfig | None = None
    """Also write `model_int8.onnx`; null does not."""
    logging: LoggingConfig = LoggingConfig()
    run: ExportRunConfig
    seed: Seed = 0

    @model_validator(mode="after")
    def _has_a_format(self) -> Self:
        if not self.formats:
            raise ValueError("formats: must not be empty; use onnx, exported_program or both")
        return self

    @model_validator(mode="after")
    def _can_quantize(self) -> Self:
        if self.quantize is not None and self.data is None:
            raise ValueError("quantize: calibration and measurement need images; set data")
        if self.quantize is not None and "onnx" not in self.formats:
            raise ValueError("quantize: needs the ONNX export; add onnx to formats, or set quantize: null")
        return self
