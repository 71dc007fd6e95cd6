"""Configurations of the jobs that follow an import."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from faceml.config import dump_yaml
from faceml.formats.data_format import DataFormat
from faceml.formats.importing import IMAGES_FOLDER, LABELS_FILE
from faceml.storage import write_text

TABLE_FOLDER = "table"
"""Folder of the landmark table, beside the images and the labels."""
RUNS_FOLDER = "runs"


@dataclass(frozen=True)
class NextJob:
    """A job that follows an import.

    Attributes:
        command: Its command, such as `train`.
        config: Its YAML file.
    """

    command: str
    config: Path

    def __str__(self) -> str:
        return shlex.join(["faceml", self.command, "--config", str(self.config)])


def write_next_jobs(data: DataFormat, output: Path) -> list[NextJob]:
    """Write the configurations of the extraction and of a first training to the folder of an import.

    A file that is already there stays, because it may have been edited.

    Args:
        data: The data set.
        output: Folder of the import.

    Returns:
        The jobs in the order in which they are to be run.
    """
    output = output.absolute()
    images = data.images or output / IMAGES_FOLDER
    roots = {name: str(images / name) for name in data.image_folders} or str(images)
    table = str(output / TABLE_FOLDER)
    labels = {"labels": str(output / LABELS_FILE)} if data.label_columns else {}
    splits = {
        name: {"table": table, "images": roots, **labels, "where": dict(where)}
        for name, where in data.splits.items()
    }
    settings = {"extract": {"data": {"root": roots}, "output": {"table": table}}}
    for command, own in data.settings().items():
        run = {"folder": str(output / RUNS_FOLDER / command)}
        settings[command] = {**own, "data": {**splits, **own.get("data", {})}, "run": run}
    jobs = [NextJob(command, output / f"{command}.yaml") for command in settings]
    for job in jobs:
        if not job.config.exists():
            write_text(job.config, f"# {data.description}\n#   {job}\n\n{dump_yaml(settings[job.command])}")
    return jobs
