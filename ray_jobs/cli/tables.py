"""Commands for faces and their tables."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceml.config import ConfigError
from ray_jobs.cli.running import (
    Overrides,
    config_option,
    load_job,
    print_place,
    run_job,
    start_log,
    stdout_console,
)

if TYPE_CHECKING:
    from faceml.storage import Places


def import_(
    format_name: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help="Format of the data set: affectnet-csv, affectnet-npy, raf-db, ferplus, fer2013, "
            "mxnet-rec, insightface-bin.",
        ),
    ],
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder or file that was downloaded.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder to write to.")],
) -> None:
    """Prepare a downloaded data set for the other commands, and print the commands to run next.

    Labels are written to a table and packed images to files; images that are files already stay where they
    are. The same command again continues an interrupted import.

    Example: faceml import ferplus FERPlus-master data/ferplus
    """
    from ray_jobs.local import importing as job

    job.show(*job.run(format_name, source, output), output, stdout_console())
    print_place(output)


def synth(config: Annotated[Path | None, config_option("synth")] = None, overrides: Overrides = None) -> None:
    """Draw synthetic faces of people who do not exist, with exact landmarks.

    Example: faceml synth --set output.root=faces --set splits.train=880 --set splits.val=220
        --set image_size_px=128
    """
    run_job(*load_job("synth", config, overrides))


def extract(
    config: Annotated[Path | None, config_option("extract")] = None,
    overrides: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the number of images and the estimated time, then stop.")
    ] = False,
) -> None:
    """Detect the landmarks of every face in a folder.

    The same command again continues an interrupted extraction and adds new images.

    Example: faceml extract --set data.root=faces/train --set output.table=tables/train
    """
    job, settings = load_job("extract", config, overrides)
    if dry_run:
        start_log(job, settings)
        from ray_jobs.tables import dry_run as estimate

        estimate(settings, stdout_console())
        return
    run_job(job, settings)


def export_json(
    table: Annotated[str, typer.Option(metavar="PLACE", help="Landmark table, a path or URI.")],
    output: Annotated[str, typer.Option(metavar="PLACE", help="JSON file to write, a path or URI.")],
    num_landmarks: Annotated[int, typer.Option(help="Number of landmarks, 5 or 10.")] = 5,
    images: Annotated[
        str | None,
        typer.Option(help="Folder to put before the path of each image, or '{SOURCE: FOLDER, …}'."),
    ] = None,
) -> None:
    """Write landmarks as JSON: the path of each image with its list of points.

    Example: faceml export-json --table tables/affectnet/train --output landmarks.json
    """
    from faceml.runs import refuse_run_folder
    from faceml.storage import split_place
    from faceml.tables import LANDMARK_SETS, export_json as write_json

    if num_landmarks not in LANDMARK_SETS:
        raise ConfigError(f"--num-landmarks {num_landmarks}: must be 5 or 10.")
    refuse_run_folder("--output", split_place(output)[0])
    count = write_json(table, output, num_landmarks, _read_places(images) if images else None)
    print(f"{count} images with landmarks")  # noqa: T201
    print_place(output)


def _read_places(images: str) -> "Places":
    """Return a folder, or the folders by the names of their sources."""
    if not images.lstrip().startswith("{"):
        return images
    from faceml.config import apply_overrides  # late: --help needs no pydantic

    places: dict[str, str] = apply_overrides({}, [f"images={images}"])["images"]
    return places


def forget(
    person: Annotated[
        str, typer.Argument(metavar="PERSON", help="Name of the person's folder of images, or SOURCE/NAME.")
    ],
    table: Annotated[
        list[str],
        typer.Option(
            metavar="PLACE", help="Table of landmarks or of predictions, a path or URI; repeatable."
        ),
    ],
    runs: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLDER", help="Folder of run folders, a path or URI; repeatable."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be removed; remove nothing.")
    ] = False,
) -> None:
    """Remove a person from tables and caches, and list the models and files derived from these tables.

    A table of predictions is searched too: its embeddings are a gallery for recognition.

    Images with the same content under another name are removed as well.

    Example: faceml forget 0000001 --table data/casia/table --runs runs
    """
    from ray_jobs.local import forgetting as job

    job.show(job.run(person, table, runs or [], dry_run=dry_run), stdout_console())
