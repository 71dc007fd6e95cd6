"""`faceml forget`: a person's images out of tables and caches, and the models that have seen them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from faceml.runs import SeenBy, runs_that_saw
from faceml.tables import RemovedRows, forget_person


class Erasure(NamedTuple):
    """What was removed, and what is left to do.

    Attributes:
        removed: Of each table.
        seen_by: Trainings that have seen them.
        dry_run: Whether nothing was removed.
    """

    removed: list[RemovedRows]
    seen_by: list[SeenBy]
    dry_run: bool


def run(person: str, tables: Sequence[str], runs: Sequence[Path], *, dry_run: bool = False) -> Erasure:
    """Remove a person.

    Args:
        person: Name of their folder.
        tables: Landmark tables, paths or URIs.
        runs: Folders below which run folders lie.
        dry_run: Only say what would be removed.

    Raises:
        ConfigError: A place has no table, an extraction into it is unfinished, or nobody has that name.
    """
    removed = forget_person(person, tables, dry_run=dry_run)
    touched = [each.table for each in removed if each.images]
    return Erasure(removed, runs_that_saw(touched, runs), dry_run)


def show(erasure: Erasure, console: Console) -> None:
    """Print what was removed, and what a person still has to do."""
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
        console.print(f"  {image}", soft_wrap=True, markup=False, highlight=False)
    console.print("Reports of these tables may show their faces: make them anew with `faceml extract`.")
    if not erasure.seen_by:
        console.print("No model in the named run folders has seen these tables.")
        return
    console.print("Models that have seen them. Train them anew without, or delete them:")
    for seen in erasure.seen_by:
        console.print(f"{seen.run}: {seen.reason}", soft_wrap=True, markup=False, highlight=False)
        for model in seen.models:
            console.print(f"  {model}", soft_wrap=True, markup=False, highlight=False)
