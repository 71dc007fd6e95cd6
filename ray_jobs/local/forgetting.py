"""`faceml forget`: removal of a person from tables and caches, and all that is derived from these tables."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from faceml.runs import Derived, find_derived
from faceml.tables import RemovedRows, forget_person

NOT_SEARCHED = (
    "Not searched: other folders, files of `faceml predict --output`, copies of the tables at other places, "
    "and caches on other machines."
)


class Erasure(NamedTuple):
    """Removal of a person.

    Attributes:
        removed: Images and cached files that were removed, for each table.
        derived: Runs, models and files derived from the tables, whether or not they have the person.
        searched: Folders that were searched for them.
        dry_run: Whether nothing was actually removed.
    """

    removed: list[RemovedRows]
    derived: Derived
    searched: list[str]
    dry_run: bool


def run(person: str, tables: Sequence[str], runs: Sequence[str], *, dry_run: bool = False) -> Erasure:
    """Remove a person from tables and their caches.

    Args:
        person: Name of the person's folder of images.
        tables: Paths or URIs of tables.
        runs: Folders that contain run folders, at any depth, paths or URIs.
        dry_run: Report what would be removed, and remove nothing.

    Raises:
        ConfigError: A place holds no table, an extraction into it is unfinished, no table has the person, or
            a folder of runs does not exist.
    """
    # Before the removal: afterwards the same command would refuse, for the person is not in the tables.
    derived = find_derived(tables, runs)
    caches = [None, *derived.caches]
    removed = forget_person(person, tables, caches, derived.spellings, dry_run=dry_run)
    return Erasure(removed, derived, list(runs), dry_run)


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
    _print_indented(images, console)
    _show_derived(erasure.derived, erasure.searched, console)


def _show_derived(derived: Derived, searched: Sequence[str], console: Console) -> None:
    if derived.runs:
        console.print(
            "Derived from these tables. Train the models again without the person and write the files again, "
            "or delete them:",
            soft_wrap=True,
        )
    for run in derived.runs:
        console.print(f"{run.folder}: {run.reason}", soft_wrap=True, markup=False, highlight=False)
        _print_indented([*run.models, *run.files], console)
    if derived.unknown:
        console.print("Models whose training data are unknown, which may be derived too:")
        _print_indented(derived.unknown, console)
    if not searched:
        console.print("No models were searched for: name the folders of your runs with --runs.")
    elif not derived.runs:
        console.print(f"No run in {', '.join(searched)} names these tables.", soft_wrap=True, markup=False)
    console.print(NOT_SEARCHED, soft_wrap=True)


def _print_indented(lines: Sequence[str], console: Console) -> None:
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)
