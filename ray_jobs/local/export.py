"""`faceml export`: a trained model as files that run without faceml. Needs no Ray."""

from typing import TYPE_CHECKING

from rich.console import Console

from faceml.config import ExportConfig

if TYPE_CHECKING:
    from faceml.export import ExportResult


def run(config: ExportConfig) -> "ExportResult":
    """Export, check, quantise and measure, and write the results.

    Raises:
        ConfigError: The model, the data or a package cannot be used.
        StoppedError: An exported model answers otherwise than PyTorch.
    """
    from ray_jobs.local.export_work import export

    return export(config)


def show(result: "ExportResult", console: Console) -> None:
    """Print the files with how they were checked, and what integers cost."""
    from faceml.reporting import checks_line, files_table, quantization_table

    console.print(files_table(result))
    console.print(checks_line(result))
    if result.quantization:
        console.print(quantization_table(result.quantization, result.bytes_of))


def run_and_show(config: ExportConfig, console: Console) -> None:
    """Export, and print the results."""
    show(run(config), console)
