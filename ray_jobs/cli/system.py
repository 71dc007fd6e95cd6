"""Commands for the machine and for clusters."""

import os
from pathlib import Path
from typing import Annotated

import typer

from faceml.config import ConfigError
from ray_jobs.cli.running import Overrides, print_place, stdout_console


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to write to.")] = Path("configs"),
) -> None:
    """Write the configuration of every job, with all settings and comments, to edit.

    Jobs without --config read the files in configs/.

    Example: faceml init
    """
    from faceml.config import shipped_configs
    from faceml.storage import write_text

    contents = {folder / file.name: file.read_text(encoding="utf-8") for file in shipped_configs()}
    edited = [
        file.name
        for file, text in contents.items()
        if file.exists() and file.read_text(encoding="utf-8") != text
    ]
    if edited:
        raise ConfigError(
            f"{folder}: has other files named {', '.join(edited)}. Choose another folder, or move them."
        )
    for file, text in contents.items():
        write_text(file, text)
    print_place(folder)


def submit(
    context: typer.Context,
    job: Annotated[
        str,
        typer.Argument(
            metavar="JOB", help="extract, train, tune, transfer, evaluate, predict, export, synth"
        ),
    ],
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="YAML file of the job.")],
    overrides: Overrides = None,
    address: Annotated[
        str,
        typer.Option(metavar="URL", help="Dashboard of the cluster.", envvar="RAY_API_SERVER_ADDRESS"),
    ] = "http://127.0.0.1:8265",
    working_dir: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Folder to upload, except what .gitignore and .rayignore exclude."
        ),
    ] = Path(),
    runtime_env: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML of Ray's runtime environment, such as pip packages."),
    ] = None,
    without_token: Annotated[
        bool, typer.Option("--without-token", help="Accept a cluster without authentication.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the ID of the job and return at once.")
    ] = False,
) -> None:
    """Run a job on a Ray cluster and follow its log; further options are passed to the job's command.

    Example: faceml submit extract --config configs/extract_landmarks.yaml --set storage.shared=true
        --set data.root=$PWD/data/affectnet/train --set output.table=$PWD/tables/affectnet/train
    """
    os.environ.setdefault("RAY_AUTH_MODE", "disabled" if without_token else "token")  # before Ray reads it
    from ray_jobs.submission import Submission, run as submit_job

    submission = Submission(
        job,
        address,
        config,
        overrides or [],
        context.args,
        working_dir,
        runtime_env,
        needs_token=not without_token,
        follow=not detach,
    )
    raise typer.Exit(submit_job(submission))


def doctor(
    landmarker: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A face_landmarker.task; searched for by default."),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Duration of the landmark detector's speed test, s.")] = 5.0,
) -> None:
    """Check this machine: its hardware, its speed of extraction, and problems.

    Example: faceml doctor --seconds 2
    """
    from ray_jobs.local import machine_check as job

    checks = job.run(landmarker, seconds)
    job.show(checks, stdout_console())
    raise typer.Exit(1 if any(check.is_wrong for check in checks) else 0)
