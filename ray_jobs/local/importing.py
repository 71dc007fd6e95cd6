"""`faceml import`: a downloaded data set, prepared for the other jobs."""

import logging
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from faceml.config import ConfigError
from faceml.formats import (
    UNKNOWN,
    DataFormat,
    ImportSummary,
    NextJob,
    import_data_set,
    open_format,
    write_next_jobs,
)
from faceml.page import ProgressReport, first_names
from faceml.runs import refuse_run_folder

Imported = tuple[DataFormat, ImportSummary, list[NextJob]]

logger = logging.getLogger(__name__)


def run(name: str, source: Path, output: Path) -> Imported:
    """Import a data set, and write the configurations of the jobs that follow.

    Args:
        name: Name of the format.
        source: The folder or file that was downloaded.
        output: Folder to write to.

    Raises:
        ConfigError: The format is unknown, the source does not have it, or `output` has something else.
        StoppedError: No space is left.
    """
    started_s = time.monotonic()
    data = open_format(name, source)
    refuse_run_folder("OUTPUT", output)
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output}: is a file. Choose a folder to write to.")
    with ProgressReport("import", data.count_records()) as progress:
        summary = import_data_set(data, output, progress.advance)
    jobs = write_next_jobs(data, output)
    logger.info(
        "Imported %d images, of which %d files were written, in %.1f s",
        summary.images,
        summary.written,
        time.monotonic() - started_s,
    )
    return data, summary, jobs


def show(
    data: DataFormat, summary: ImportSummary, jobs: list[NextJob], output: Path, console: Console
) -> None:
    """Print the counts of images and labels, broken records, and the commands that follow."""
    console.print(*_label_tables(summary))
    for reason, number in summary.broken.items():
        names = first_names(summary.broken_names[reason])
        logger.warning("%s records are left out: %s (%s)", f"{number:,}", reason, names)
    console.print(f"{summary.images:,} images. Next:")
    for line in [*map(str, jobs), *data.advice(output)]:
        console.print(f"  {line}", soft_wrap=True, highlight=False)


def _label_tables(summary: ImportSummary) -> list[Table]:
    """Return a table of images by label and split for each column of labels, or of images by split."""
    tables = []
    splits = list(summary.splits)
    for column, by_value in (summary.labels or {"": {}}).items():
        table = Table(title=f"Images by {column}" if column else "Images", title_justify="left")
        table.add_column(column)
        for split in splits:
            table.add_column(split or "images", justify="right")
        for value, counts in sorted(by_value.items(), key=lambda item: (item[0] == UNKNOWN, item[0])):
            table.add_row(value, *(f"{counts[split]:,}" for split in splits))
        table.add_section()
        table.add_row("all", *(f"{summary.splits[split]:,}" for split in splits))
        tables.append(table)
    return tables
