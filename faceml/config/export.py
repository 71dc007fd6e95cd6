"""Configuration of the export of a trained model."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from faceml.config.base import Config, Count, InputStorageFile, Seed, StorageUri
from faceml.config.sections import LoggingConfig
from faceml.config.train import SplitConfig

ExportFormat = Literal["onnx", "exported_program"]


class QuantizeConfig(Config):
    """An int8 copy of the ONNX model, and what its integers cost in accuracy."""

    calibration_images: Count = 200
    """Drawn from `data`; they give the ranges of activations, and are left out of the measurement."""
    seed: Seed = 0
    """Of that draw."""
    weight_bits: Literal[7, 8] = 7
    """Bits of an integer that weights use. 8 is for CPUs with VNNI alone: on others sums of two products
    of 8 bits overflow 16 bits, and the answers are wrong without a sign."""


class ExportRunConfig(Config):
    """Where results go."""

    folder: StorageUri
    """A path or URI."""


class ExportConfig(Config):
    """`faceml export`: a trained model as files that run without faceml, preprocessing inside."""

    model: InputStorageFile
    """A `best_model.pt` of `faceml train` or `faceml transfer`, a path or URI."""
    formats: tuple[ExportFormat, ...] = ("onnx", "exported_program")
    """`onnx` is `model.onnx`, `exported_program` is `model.pt2` for `torch.export.load`."""
    opset: Annotated[int, Field(strict=True, ge=18, le=23)] = 18
    """Version of ONNX's operators; the antialiased resize is there from 18 on."""
    data: SplitConfig | None = None
    """Images on which the export is checked and quantised; null checks it on random images."""
    check_images: Count = 32
    """Of `data`, drawn with `seed`."""
    quantize: QuantizeConfig | None = None
    """Makes `model_int8.onnx` too; null does not."""
    logging: LoggingConfig = LoggingConfig()
    run: ExportRunConfig
    seed: Seed = 0

    @model_validator(mode="after")
    def _has_a_format(self) -> Self:
        if not self.formats:
            raise ValueError("formats: [] exports nothing; name onnx, exported_program or both")
        return self

    @model_validator(mode="after")
    def _can_quantize(self) -> Self:
        if self.quantize is not None and self.data is None:
            raise ValueError("quantize: integers are calibrated and measured on images; name some with data")
        if self.quantize is not None and "onnx" not in self.formats:
            raise ValueError("quantize: is for ONNX; put onnx into formats, or set quantize: null")
        return self
