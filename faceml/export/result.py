"""What an export came to."""

from dataclasses import asdict, dataclass
from typing import Any

from faceml.export.agreement import TOLERANCE, Differences
from faceml.export.quantization_loss import QuantizationLoss


@dataclass(frozen=True)
class ExportResult:
    """Files, and how they were checked.

    Attributes:
        outputs: Of the graph.
        bytes_of: Size of each file, by its name.
        checked_batches: Random batches that each format was checked on.
        checked_images: Images of the split beside them.
        differences: From PyTorch, the largest of each output, by the file's name.
        from_training: Likewise, from images prepared as in training.
        calibration_images: Of the int8 copy.
        quantization: Its loss; None without such a copy.
        versions: Of the packages.
        opset: Of the ONNX file, if there is one.
    """

    outputs: tuple[str, ...]
    bytes_of: dict[str, int]
    checked_batches: int
    checked_images: int
    differences: dict[str, Differences]
    from_training: Differences
    calibration_images: int
    quantization: QuantizationLoss | None
    versions: dict[str, str]
    opset: int | None

    def summary(self, wall_s: float) -> dict[str, Any]:
        """Return what `summary.json` holds."""
        return {
            "outputs": list(self.outputs),
            "bytes": self.bytes_of,
            "opset": self.opset,
            "checked_on": {"random_batches": self.checked_batches, "images": self.checked_images},
            "tolerance": TOLERANCE,
            "largest_difference": self.differences,
            "difference_from_training": self.from_training,
            "int8": self.quantization
            and {"calibration_images": self.calibration_images, **asdict(self.quantization)},
            "versions": self.versions,
            "wall_s": round(wall_s, 2),
        }
