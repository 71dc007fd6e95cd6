"""`faceml evaluate-landmarks`: landmarks against people's annotations, without Ray."""

import logging
import time
from collections.abc import Mapping

import numpy as np
import torch
from rich.console import Console

from faceml.annotations import (
    EVALUATED,
    AnnotatedFaces,
    LocatedFaces,
    annotations_folder,
    find_annotated_images,
    read_annotations,
    read_located_faces,
    read_located_rows,
)
from faceml.config import IMAGE_EXTENSIONS, ConfigError, EvaluateLandmarksConfig, dump_config
from faceml.page import ProgressReport, Report, first_names
from faceml.prediction import load, predict_annotated_faces
from faceml.reporting import (
    LandmarkFindings,
    difference_sentence,
    landmark_chapter,
    landmark_summary,
    points_table,
    result_table,
)
from faceml.runs import RunFolder
from faceml.storage import StorageFolder
from faceml.tables import image_table

logger = logging.getLogger(__name__)


def run(config: EvaluateLandmarksConfig) -> LandmarkFindings:
    """Compare landmarks with annotations, and write the results.

    Raises:
        ConfigError: The annotations, the table, the model or the images cannot be used.
    """
    started_s = time.monotonic()
    if config.use_gpu and not torch.cuda.is_available():
        raise ConfigError("use_gpu: true needs a GPU, and PyTorch sees none. Set it to false.")
    if config.table is None and config.model is None:
        raise ConfigError("table and model: name landmarks to evaluate by --table, by --model, or by both.")
    if not config.run_folder:
        raise ConfigError(
            "run.folder: name a folder for the results by --output; there is no table beside it."
        )
    run_folder = RunFolder(config.run_folder)
    run_folder.check_kind(dump_config(config))
    images = config.images or annotations_folder(config.annotations)
    findings = _compare(config, images)
    for reason, names in findings.left_out.items():
        logger.warning("%d annotated images are left out, %s: %s", len(names), reason, first_names(names))
    if not StorageFolder(images).has(findings.faces.images[0]):
        logger.warning(
            "%s has no %s: the report shows no faces. Name the folder of the images by --images.",
            images,
            findings.faces.images[0],
        )
    with run_folder:
        run_folder.write_config(dump_config(config))
        run_folder.write_summary(
            landmark_summary(findings) | {"wall_s": round(time.monotonic() - started_s, 2)}
        )
        run_folder.finish(
            lambda: Report(
                "Landmarks against annotations", findings.answer, [landmark_chapter(config, findings, images)]
            )
        )
    return findings


def _compare(config: EvaluateLandmarksConfig, images: str) -> LandmarkFindings:
    """Read the annotations, and the landmarks of the table, of the network, or of both."""
    faces = read_annotations(config.annotations)
    located, left_out = dict[str, LocatedFaces](), dict[str, list[str]]()
    if config.table is not None:
        rows = read_located_rows(config.table)
        faces, missing = find_annotated_images(
            faces, list(dict.fromkeys(rows["image_id"].to_pylist())), config.table
        )
        left_out |= {"not in the table": missing} if missing else {}
        located["table"] = read_located_faces(rows, faces)
        faces, located = _evaluated(faces, located, left_out)
    if config.model is not None:
        listed = image_table(StorageFolder(images).walk(follow_links=True), IMAGE_EXTENSIONS)
        found, missing = find_annotated_images(faces, listed["image_id"].to_pylist(), images)
        left_out |= {"not in the folder of images": missing} if missing else {}
        there = np.isin(faces.images, found.images)
        located = {name: each.take(there) for name, each in located.items()}
        faces = found
        predictor = load(config.model, device="cuda" if config.use_gpu else "cpu")
        with ProgressReport("evaluate-landmarks", len(set(faces.images))) as progress:
            located["network"] = predict_annotated_faces(predictor, faces, images, progress.advance)
        faces, located = _evaluated(faces, located, left_out)
    return LandmarkFindings(faces, located, left_out)


def _evaluated(
    faces: AnnotatedFaces, located: Mapping[str, LocatedFaces], left_out: dict[str, list[str]]
) -> tuple[AnnotatedFaces, dict[str, LocatedFaces]]:
    """Return the faces in whose images a face could be found; add the others to those that are left out."""
    usable = np.all([each.is_evaluated for each in located.values()], axis=0)
    for each in located.values():
        for image, status in dict(zip(faces.images, each.statuses, strict=True)).items():
            if status not in EVALUATED and image not in left_out.get(status, ()):
                left_out.setdefault(status, []).append(image)
    if not usable.any():
        reasons = ", ".join(f"{len(names):,} {reason}" for reason, names in left_out.items())
        raise ConfigError(
            f"annotations: no annotated image can be evaluated ({reasons}). Correct the images."
        )
    return faces.take(usable), {name: each.take(usable) for name, each in located.items()}


def show(findings: LandmarkFindings, console: Console) -> None:
    """Print the main figures and the error of each landmark."""
    console.print(result_table(findings))
    for number in findings.sets:
        console.print(points_table(findings, number))
    console.print(findings.answer)
    if sentence := difference_sentence(findings):
        console.print(sentence)


def run_and_show(config: EvaluateLandmarksConfig, console: Console) -> None:
    """Evaluate, and print the results."""
    show(run(config), console)
