"""Writing the files of an export: each gets its name after all have answered as PyTorch does."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from faceml.export.agreement import Differences, Images, eager, largest_differences, refuse_differences
from faceml.export.exportable import Exportable
from faceml.export.program import export_program, open_program, write_program
from faceml.storage import atomic_file

ONNX_FILE = "model.onnx"
INT8_FILE = "model_int8.onnx"
PROGRAM_FILE = "model.pt2"
MODEL_FILES = (ONNX_FILE, INT8_FILE, PROGRAM_FILE)


def write_models(
    exportable: Exportable, formats: Sequence[str], opset: int, checked: Iterable[Images], folder: Path
) -> dict[str, Differences]:
    """Write a model in each format, read it back, and compare its answers with PyTorch's.

    Args:
        exportable: The model.
        formats: Of `ExportConfig`.
        opset: Of ONNX.
        checked: Batches of images, gone through once for each format.
        folder: Gets `model.onnx` and `model.pt2`.

    Returns:
        For each file the largest difference of each output.

    Raises:
        StoppedError: A file answers otherwise than PyTorch; none is left.
    """
    graph, reference = exportable.graph, eager(exportable.graph)
    program = export_program(graph)
    differences = dict[str, Differences]()
    with ExitStack() as written:
        if "onnx" in formats:
            from faceml.export.onnx_file import open_onnx, write_onnx

            partial = written.enter_context(atomic_file(folder / ONNX_FILE))
            write_onnx(program, graph, opset, exportable.metadata, partial)
            differences[ONNX_FILE] = largest_differences(reference, open_onnx(partial), checked)
            refuse_differences(differences[ONNX_FILE], ONNX_FILE)
        if "exported_program" in formats:
            partial = written.enter_context(atomic_file(folder / PROGRAM_FILE))
            write_program(program, exportable.metadata, partial)
            found = open_program(partial, graph.outputs)
            differences[PROGRAM_FILE] = largest_differences(reference, found, checked)
            refuse_differences(differences[PROGRAM_FILE], PROGRAM_FILE)
    return differences


def write_int8_model(folder: Path, images: Iterable[Images], weight_bits: int) -> None:
    """Write `model_int8.onnx` beside `model.onnx`.

    Args:
        folder: That has the other.
        images: To calibrate with.
        weight_bits: 7 or 8.
    """
    from faceml.export.quantization import write_int8

    with atomic_file(folder / INT8_FILE) as partial:
        write_int8(folder / ONNX_FILE, images, weight_bits, partial)
