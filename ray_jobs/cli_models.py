"""Commands for models that are trained, and for the machine that uses them."""

from pathlib import Path
from typing import Annotated

import typer

from faceml.config import ConfigError
from ray_jobs.cli_options import ConfigFile, Overrides, show_results, stdout_console
from ray_jobs.cluster import set_up_log


def evaluate(config: ConfigFile = Path("configs/evaluate.yaml"), overrides: Overrides = None) -> None:
    """Say how good a trained model is on a split.

    Example: faceml evaluate --config configs/evaluate.yaml --set model=runs/affectnet/best_model.pt
        --set run.folder=runs/affectnet_on_val
    """
    from faceml.config import EvaluateConfig, load_config

    settings = load_config(EvaluateConfig, config, overrides or [])
    set_up_log(settings.logging.format, "evaluate", settings.run.folder)
    from ray_jobs.local import evaluation as job

    job.show(job.run(settings), stdout_console())
    show_results(settings.run.folder)


def export(config: ConfigFile = Path("configs/export.yaml"), overrides: Overrides = None) -> None:
    """Write a trained model as ONNX and ExportedProgram, preprocessing inside, checked against PyTorch.

    Example: faceml export --set model=runs/multitask_affectnet/best_model.pt --set opset=20
    """
    from faceml.config import ExportConfig, load_config

    settings = load_config(ExportConfig, config, overrides or [])
    set_up_log(settings.logging.format, "export", settings.run.folder)
    from ray_jobs.local import export as job

    job.show(job.run(settings), stdout_console())
    show_results(settings.run.folder)


def predict(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Images and folders of images.")
    ] = None,
    config: ConfigFile = Path("configs/predict.yaml"),
    overrides: Overrides = None,
    model: Annotated[
        str | None, typer.Option(metavar="RUN", help="Run folder or best_model.pt; sets model.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="FILE", help="FILE.jsonl or FILE.parquet; sets output.file.")
    ] = None,
    draw: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="For pictures with what is seen; sets output.drawn.")
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="For a row of each image of one folder; sets output.table."),
    ] = None,
) -> None:
    """Say what a trained model sees in images: expression, landmarks, head pose and embedding of each face.

    Without --output it prints a JSON object on a line for each image. With --table it works on all CPUs there
    are, and the same command again goes on where it was interrupted and adds the images that are new.

    Example: faceml predict photo.jpg album --model runs/multitask_affectnet --draw overlays

    Example: faceml predict album --model runs/multitask_affectnet --table tables/album
    """
    from faceml.config import (
        PredictConfig,
        apply_overrides,
        assign_keys,
        check_inputs,
        parse_config,
        read_mapping,
    )

    named = {"data.paths": paths, "model": model, "output.file": output, "output.drawn": draw}
    if table and paths:
        if len(paths) > 1:
            raise ConfigError(f"--table {table}: takes one folder. Leave out {' '.join(paths[1:])}.")
        named = named | {"data.paths": [], "data.root": paths[0]}
    named["output.table"] = table
    raw = apply_overrides(read_mapping(config), overrides or [])
    settings = parse_config(
        PredictConfig, assign_keys(raw, {k: v for k, v in named.items() if v is not None})
    )
    check_inputs(settings)
    set_up_log(settings.logging.format, "predict", settings.run_folder or settings.output.file)
    from ray_jobs.local import prediction as job

    if settings.output.table:
        from ray_jobs.tables import predictions

        tally = predictions.run(settings)
    else:
        tally = job.run(settings)
    if results := settings.output.table or settings.output.file:
        job.show(tally, stdout_console())
        show_results(results)


def doctor(
    landmarker: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A face_landmarker.task; it is looked for if not given."),
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long the landmark detector is timed.")] = 5.0,
) -> None:
    """Say what this machine has, how fast it extracts, and what is wrong with it.

    Example: faceml doctor --seconds 2
    """
    from ray_jobs.local import machine_check as job

    checks = job.run(landmarker, seconds)
    job.show(checks, stdout_console())
    raise typer.Exit(1 if any(check.is_wrong for check in checks) else 0)


def forget(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Name of their folder of images.")],
    table: Annotated[
        list[str],
        typer.Option(metavar="PLACE", help="Of landmarks or of predictions, a path or URI; repeatable."),
    ],
    runs: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="Where run folders lie; repeatable.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed; remove nothing.")
    ] = False,
) -> None:
    """Take a person out of tables and caches, and name the models that have seen them.

    Tables are those of landmarks, and those of predictions, whose embeddings are a gallery to recognise by.

    Images with the same content under another name go too.

    Example: faceml forget 0000045 --table tables/casia/train --table tables/casia/val --runs runs
    """
    from ray_jobs.local import forgetting as job

    job.show(job.run(person, table, runs or [], dry_run=dry_run), stdout_console())
