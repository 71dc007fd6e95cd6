"""`faceml forget`: removal of a person from tables and caches, and the models trained on their images."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from faceml.runs import TrainedRun, find_trained_runs
from faceml.tables import RemovedRows, forget_person


class Erasure(NamedTuple):
    """Removal of a person.

    Attributes:
        removed: Images and cached files that were removed, for each table.
        trained_on: Runs whose models were trained on the tables.
        dry_run: Whether nothing was actually removed.
    """

    removed: list[RemovedRows]
    trained_on: list[TrainedRun]
    dry_run: bool


def run(person: str, tables: Sequence[str], runs: Sequence[Path], *, dry_run: bool = False) -> Erasure:
    """Remove a person from tables and their caches.

    Args:
        person: Name of the person's folder of images.
        tables: Paths or URIs of tables.
        runs: Folders that contain run folders, at any depth.
        dry_run: Report what would be removed, and remove nothing.

    Raises:
        ConfigError: A place holds no table, an extraction into it is unfinished, or no table has the person.
    """
    removed = forget_person(person, tables, dry_run=dry_run)
    touched = [each.table for each in removed if each.images]
    return Erasure(removed, find_trained_runs(touched, runs), dry_run)


def show(erasure: Erasure, console: Console) -> None:
    """Print what was removed, and the steps that remain to be done by hand."""
    verb = "would be removed" if erasure.dry_run else "removed"
    table = Table(title=f"What {verb}" if erasure.dry_run else "What was removed", title_justify="left")
    table.add_column("table", overflow="fold")
    table.add_column("images", justify="right")
    table.add_column("cached files", justify="right")
    for each in erasure.removed:
        table.add_row(each.table, f"{len(each.images):,}", f"{len(each.copies):,}")
    console.print(table)
    images = list(dict.fromkeys(image for each in erasure.removed for image in each.images))
    console.print(
        f"These {len(images):,} images are still in the folders that were extracted. Delete them there, or "
        "the next extraction brings their rows back:",
        soft_wrap=True,
    )
    for image in images:
        console.print(f"  {image}", soft_wrap=True, highlight=False)
    console.print("Reports of these tables may show their faces: write them again with `faceml extract`.")
    if not erasure.trained_on:
        console.print("No model in the given run folders was trained on these tables.")
        return
    console.print("Models trained on these tables. Train them again without the person, or delete them:")
    for run in erasure.trained_on:
        console.print(f"{run.folder}: {run.reason}", soft_wrap=True, highlight=False)
        for model in run.models:
            console.print(f"  {model}", soft_wrap=True, highlight=False)
