"""Files of an export, each renamed into place after its outputs were compared with PyTorch's."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from faceml.config import ConfigError
from faceml.export.comparison import TOLERANCE, Differences, largest_differences, refuse_differences
from faceml.export.exportable import Exportable
from faceml.export.graph import Images, eager_inference
from faceml.export.program import export_program, open_program, write_program
from faceml.export.quantization_loss import QuantizationLoss
from faceml.storage import atomic_file

ONNX_FILE = "model.onnx"
INT8_FILE = "model_int8.onnx"
PROGRAM_FILE = "model.pt2"
MODEL_FILES = (ONNX_FILE, INT8_FILE, PROGRAM_FILE)
ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")


@dataclass(frozen=True)
class ExportResult:
    """Files of an export and the results of their checks.

    Attributes:
        outputs: Names of the graph's outputs.
        bytes_of: Size of each file, by its name.
        checked_batches: Number of random batches that each format was checked on.
        checked_images: Number of images of the split that each format was checked on.
        differences: Largest difference of each output from PyTorch, by the file's name; relative to its
            largest value where that exceeds 1.
        from_training: Largest difference of each output between exact resizing and the training's input.
        calibration_images: Number of images that the int8 file was calibrated with.
        quantization: Loss by int8 quantization; None without an int8 file.
        versions: Versions of the packages used.
        opset: Operator set of the ONNX file, if there is one.
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
        """Return the content of `summary.json`."""
        return {
            "outputs": list(self.outputs),
            "bytes": self.bytes_of,
            "opset": self.opset,
            "checked_on": {"random_batches": self.checked_batches, "images": self.checked_images},
            "tolerance": TOLERANCE,
            "largest_difference": self.differences,
            "difference_from_training": self.from_training,
            "int8": self.quantization
            and {"calibration_images": self.calibration_images, **self.quantization.as_plain()},
            "versions": self.versions,
            "wall_s": round(wall_s, 2),
        }


def refuse_missing_packages(formats: Sequence[str]) -> None:
    """Check that the packages of the requested formats are installed.

    Args:
        formats: `formats` of `ExportConfig`.

    Raises:
        ConfigError: A package is missing; names it and how to install it.
    """
    missing = [name for name in ONNX_PACKAGES if find_spec(name) is None] if "onnx" in formats else []
    if missing:
        raise ConfigError(
            f"formats: onnx needs the package {missing[0]}: pip install 'faceml[export]', or leave it out "
            "with --set formats=[exported_program]."
        )


def write_models(
    exportable: Exportable, formats: Sequence[str], opset: int, checked: Iterable[Images], folder: Path
) -> dict[str, Differences]:
    """Write a model in each format, read it back, and compare its outputs with PyTorch's.

    Args:
        exportable: The model.
        formats: `formats` of `ExportConfig`.
        opset: Version of the ONNX operator set.
        checked: Batches of images; iterated once for each format.
        folder: Folder that receives `model.onnx` and `model.pt2`.

    Returns:
        For each file the largest difference of each output.

    Raises:
        StoppedError: The outputs of a file differ from PyTorch's; no file is left behind.
    """
    graph, reference = exportable.graph, eager_inference(exportable.graph)
    program = export_program(graph)
    differences = dict[str, Differences]()
    with ExitStack() as written:
        if "onnx" in formats:
            from faceml.export.onnx_file import open_onnx, write_onnx

            partial = written.enter_context(atomic_file(folder / ONNX_FILE))
            write_onnx(program, graph, opset, exportable.metadata, partial)
            differences[ONNX_FILE] = largest_differences(
                reference, open_onnx(partial), checked, is_relative=True
            )
            refuse_differences(differences[ONNX_FILE], ONNX_FILE)
        if "exported_program" in formats:
            partial = written.enter_context(atomic_file(folder / PROGRAM_FILE))
            write_program(program, exportable.metadata, partial)
            found = open_program(partial, graph.outputs)
            differences[PROGRAM_FILE] = largest_differences(reference, found, checked, is_relative=True)
            refuse_differences(differences[PROGRAM_FILE], PROGRAM_FILE)
    return differences


def write_int8_model(folder: Path, images: Iterable[Images], weight_bits: int) -> None:
    """Write `model_int8.onnx` beside `model.onnx`.

    Args:
        folder: Folder with `model.onnx`.
        images: Calibration images.
        weight_bits: Bits of a weight, 7 or 8.
    """
    from faceml.export.onnx_file import write_int8

    with atomic_file(folder / INT8_FILE) as partial:
        write_int8(folder / ONNX_FILE, images, weight_bits, partial)
