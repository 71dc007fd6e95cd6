"""`faceml export`: a trained model as files that run without faceml. Needs no Ray."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from faceml.config import ExportConfig, load_config
from ray_jobs.cluster import set_up_log

if TYPE_CHECKING:
    from faceml.export import ExportResult


def read_settings(config: Path, overrides: Sequence[str]) -> ExportConfig:
    """Read the configuration, and log as it says.

    Raises:
        ConfigError: It is wrong.
    """
    settings = load_config(ExportConfig, config, overrides)
    set_up_log(settings.logging.format, "export", settings.run.folder)
    return settings


def run(config: ExportConfig) -> "ExportResult":
    """Export, check, quantise and measure, and write the results.

    Raises:
        ConfigError: The model, the data or a package cannot be used.
        StoppedError: The outputs of an exported model differ from PyTorch's.
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
