"""Commands that use trained models."""

from pathlib import Path
from typing import Annotated

import typer

from faceml.config import ConfigError
from ray_jobs.cli.running import Overrides, config_option, load_job, run_job


def evaluate(
    config: Annotated[Path | None, config_option("evaluate")] = None, overrides: Overrides = None
) -> None:
    """Evaluate a trained model on a split, or face recognition on pairs of people.

    Example: faceml evaluate --config configs/evaluate.yaml --set model=runs/affectnet/best_model.pt
        --set run.folder=runs/affectnet_on_val

    Example: faceml evaluate --config configs/evaluate_recognition.yaml --set model=runs/arcface
        --set compare.on_lfw=runs/arcface_lfw --set 'sets={lfw: {table: data/verification/table,
        images: data/verification/images, where: {folder: lfw},
        pairs: {file: data/verification/pairs/lfw.txt}}}'
        --set use_gpu=false --set run.folder=runs/arcface_evaluated
    """
    run_job(*load_job("evaluate", config, overrides))


def evaluate_landmarks(
    config: Annotated[Path | None, config_option("evaluate-landmarks")] = None,
    overrides: Overrides = None,
    annotations: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="300-W: folder of the .pts files; MTFL, WFLW: list file or its folder. Sets annotations.",
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Folder of the images; by default that of the annotations."),
    ] = None,
    table: Annotated[str | None, typer.Option(metavar="PLACE", help="Landmark table; sets table.")] = None,
    model: Annotated[
        str | None, typer.Option(metavar="RUN", help="Run folder or best_model.pt; sets model.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Folder of the results; sets run.folder.")
    ] = None,
) -> None:
    """Measure landmarks, of a table or predicted by a model, against those that people annotated.

    Example: faceml evaluate-landmarks --table tables/300w --annotations data/300w
    """
    options = {
        "annotations": annotations,
        "images": images,
        "table": table,
        "model": model,
        "run.folder": output,
    }
    given = {key: value for key, value in options.items() if value is not None}
    run_job(*load_job("evaluate-landmarks", config, overrides, given))


def export(
    config: Annotated[Path | None, config_option("export")] = None, overrides: Overrides = None
) -> None:
    """Write a trained model as ONNX and ExportedProgram, with its preprocessing, checked against PyTorch.

    Example: faceml export --set model=runs/multitask_affectnet/best_model.pt --set opset=20
    """
    run_job(*load_job("export", config, overrides))


def predict(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Images and folders of images.")
    ] = None,
    config: Annotated[Path | None, config_option("predict")] = None,
    overrides: Overrides = None,
    model: Annotated[
        str | None, typer.Option(metavar="RUN", help="Run folder or best_model.pt; sets model.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="FILE", help="FILE.jsonl or FILE.parquet; sets output.file.")
    ] = None,
    draw: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Folder for annotated images; sets output.drawn."),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE", help="Table with a row for each image of one folder; sets output.table."
        ),
    ] = None,
) -> None:
    """Predict expression, landmarks, head pose and embedding of each face in images.

    Without --output, print a JSON object on a line for each image. With --table, use all CPUs; the same
    command again continues an interrupted table and adds new images.

    Example: faceml predict photo.jpg album --model runs/multitask_affectnet --draw overlays

    Example: faceml predict album --model runs/multitask_affectnet --table tables/album
    """
    options = {"data.paths": paths, "model": model, "output.file": output, "output.drawn": draw}
    if table and paths:
        if len(paths) > 1:
            raise ConfigError(f"--table {table}: takes one folder. Omit {' '.join(paths[1:])}.")
        options |= {"data.paths": [], "data.root": paths[0]}
    options["output.table"] = table
    given = {key: value for key, value in options.items() if value is not None}
    run_job(*load_job("predict", config, overrides, given))
