"""What an export came to, for the terminal, and the cells of its tables."""

from collections.abc import Mapping

from rich.table import Table

from faceml.export import INT8_FILE, ONNX_FILE, TOLERANCE, ExportResult, PairedFigure, QuantizationLoss
from faceml.page import INTERVAL, percent

FILES_HEADER = ("file", "MB", "largest difference from PyTorch")
QUANTIZATION_HEADER = ("figure", "float32", "int8", "int8 − float32", INTERVAL)


def file_rows(result: ExportResult) -> list[list[str]]:
    """Return the cells of one row for each file."""
    return [
        [name, f"{size / 1e6:.1f}", _largest(result.differences.get(name))]
        for name, size in result.bytes_of.items()
    ]


def _largest(differences: Mapping[str, float] | None) -> str:
    if differences is None:
        return "measured below"
    output = max(differences, key=differences.__getitem__)
    return f"{differences[output]:.1e} ({output})" if differences[output] else "none"


def checks_line(result: ExportResult) -> str:
    """Say on what the files were checked, and what exact scaling changes."""
    images = f" and {result.checked_images} images" if result.checked_images else ""
    on_what = "these images" if result.checked_images else "them"
    told = ", ".join(f"{output} {value:.1e}" for output, value in result.from_training.items())
    return (
        f"Checked on {result.checked_batches} batches of random images{images}; a difference of more than "
        f"{TOLERANCE:g} is refused. Training rounds scaled pixels to whole grey levels and decodes large "
        f"JPEGs at a reduced size: on {on_what} that changes answers by up to {told}."
    )


def files_table(result: ExportResult) -> Table:
    """Return a table of the files for the terminal."""
    table = Table(FILES_HEADER[0], title="Files", title_justify="left")
    for name in FILES_HEADER[1:]:
        table.add_column(name, justify="right")
    for row in file_rows(result):
        table.add_row(*row)
    return table


def quantization_rows(loss: QuantizationLoss, bytes_of: Mapping[str, int]) -> list[list[str]]:
    """Return the cells of one row for each figure that integers change."""
    (slow, quick), sizes = loss.latency_ms, (bytes_of[ONNX_FILE], bytes_of[INT8_FILE])
    rows = [[loss.measure, *_shares(loss.accuracy)]]
    if loss.nme:
        rows.append(["landmark NME", *_shares(loss.nme)])
    rows.append(["ms for an image", f"{slow:.1f}", f"{quick:.1f}", f"×{quick / slow:.2f}", ""])
    rows.append(["MB", *(f"{size / 1e6:.1f}" for size in sizes), f"×{sizes[1] / sizes[0]:.2f}", ""])
    return rows


def _shares(figure: PairedFigure) -> list[str]:
    interval = "–"
    if figure.interval:
        interval = f"{_points(figure.interval[0])} to {_points(figure.interval[1])}"
    return [percent(figure.floats, 2), percent(figure.int8, 2), _points(figure.difference), interval]


def _points(difference: float) -> str:
    """Return a difference of shares in percentage points."""
    return f"{100 * difference:+.2f}"


def quantization_title(loss: QuantizationLoss) -> str:
    """Say on how many images integers were compared."""
    return f"What int8 costs, on {loss.images:,} images that it was not calibrated on"


def quantization_table(loss: QuantizationLoss, bytes_of: Mapping[str, int]) -> Table:
    """Return a table of what integers cost for the terminal."""
    table = Table(QUANTIZATION_HEADER[0], title=quantization_title(loss), title_justify="left")
    for name in QUANTIZATION_HEADER[1:]:
        table.add_column(name, justify="right")
    for row in quantization_rows(loss, bytes_of):
        table.add_row(*row)
    return table
