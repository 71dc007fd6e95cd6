"""Report of an evaluation of a multitask model on a split."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from faceml.config import EvaluateConfig, dump_config
from faceml.datasets import EXPRESSIONS
from faceml.metrics import Calibration
from faceml.page import (
    INTERVAL,
    Chapter,
    DataTable,
    Headline,
    Section,
    chart_picture,
    percent,
    percent_range,
)
from faceml.reporting.evaluation.calibration import calibration_sentence, reliability_figure
from faceml.reporting.evaluation.classes import (
    classes_table,
    confusion_picture,
    landmark_headlines,
    macro_f1_headline,
    point_errors_table,
)
from faceml.reporting.evaluation.embedding_map import embedding_figure, has_tsne
from faceml.reporting.evaluation.model_comparison import (
    ComparedModel,
    comparison_sentence,
    comparison_table,
    points,
)
from faceml.reporting.extraction.landmark_sheet import Tile, sheet_pictures
from faceml.statistics import difference_of_shares, wilson_interval
from faceml.storage import split_place
from faceml.training import Embeddings, EvaluationResult

POINT_METRICS = "nme_"
FEWEST_ON_A_MAP = 4


@dataclass(frozen=True)
class EvaluationFindings:
    """Results of an evaluation beyond its metrics.

    Attributes:
        predictions: `Predictions.table`.
        calibration: Calibration of the expression probabilities.
        misclassified: Tiles of the most confident misclassifications.
        embeddings: Embeddings of a sample; None if not requested.
        compared: Other evaluations of the same images.
    """

    predictions: pa.Table
    calibration: Calibration
    misclassified: Sequence[Tile] = ()
    embeddings: Embeddings | None = None
    compared: Sequence[ComparedModel] = ()


def evaluation_chapter(
    result: EvaluationResult, config: EvaluateConfig, findings: EvaluationFindings
) -> Chapter:
    """Return the report of an evaluation."""
    confusion, metrics, calibration = result.confusion, result.metrics, findings.calibration
    return Chapter(
        title="Evaluation",
        headlines=[
            Headline(
                "Expression accuracy",
                percent(confusion.accuracy),
                f"{INTERVAL} {percent_range(confusion.accuracy_interval())}; n = {confusion.images:,}",
            ),
            macro_f1_headline(confusion, confusion.macro_f1),
            Headline(
                "Calibration error",
                percent(calibration.ece),
                f"ECE; up to {percent(calibration.chance_ece)} for a calibrated model",
            ),
            *landmark_headlines(metrics["landmark_mse"], metrics["nme_interocular"]),
        ],
        sections=[
            *_comparison(result, config, findings.compared),
            _expressions(result, config),
            *_misclassified(findings.misclassified),
            _calibration(calibration),
            _detection(findings.predictions),
            _landmarks(result),
            *_map(findings.embeddings, config.seed),
        ],
        config=dump_config(config),
    )


def _comparison(
    result: EvaluationResult, config: EvaluateConfig, compared: Sequence[ComparedModel]
) -> list[Section]:
    if not compared:
        return []
    name = split_place(config.run.folder)[1]
    section = Section(
        title="Comparison of models",
        text=[comparison_sentence(name, other) for other in compared],
        tables=[comparison_table(name, result.confusion, compared)],
        notes=[
            "Differences are paired by image. Their intervals (Tango 1998) hold simultaneously for all rows. "
            "They cover the sampling of images, not the variation between training seeds."
        ],
    )
    return [section]


def _expressions(result: EvaluationResult, config: EvaluateConfig) -> Section:
    return Section(
        title="Expression classification",
        text=[f"{config.model} on the images of {config.data.table}."],
        pictures=[confusion_picture(result.confusion, EXPRESSIONS)],
        tables=[classes_table(result.confusion, EXPRESSIONS, "Metrics of each class")],
    )


def _misclassified(tiles: Sequence[Tile]) -> list[Section]:
    if not tiles:
        return []
    section = Section(
        title="Most confident misclassifications",
        text=["Some of these are label errors, others show cases that the training data lacks."],
        pictures=sheet_pictures(
            tiles,
            "Most confident misclassifications",
            "misclassified images",
            "True / predicted expression, the highest confidence first.",
        ),
    )
    return [section]


def _calibration(calibration: Calibration) -> Section:
    sentence = calibration_sentence(calibration)
    return Section(
        title="Calibration of the probabilities",
        text=[sentence],
        pictures=[
            chart_picture(
                "Reliability diagram",
                reliability_figure(calibration),
                sentence,
                "Points below the dotted line are overconfident bins; bars are shares of all images.",
            )
        ],
    )


def _detection(predictions: pa.Table) -> Section:
    found = predictions["has_landmarks"].to_numpy()
    right = predictions["predicted"].to_numpy() == predictions["label"].to_numpy()
    counts = {
        "detected": (int(right[found].sum()), int(found.sum())),
        "not detected": (int(right[~found].sum()), int((~found).sum())),
    }
    if all(images for _, images in counts.values()):
        difference = difference_of_shares(counts["detected"], counts["not detected"])
        verdict = "significant" if difference.is_resolved else "not significant with this number of images"
        text = (
            f"Accuracy with a detected face − accuracy without = {points(difference.value)} points, "
            f"{INTERVAL} {points(difference.low)}…{points(difference.high)}: {verdict}."
        )
    else:
        text = "MediaPipe detected a face in all of these images, or in none: there is no comparison."
    rows = [
        [
            name,
            f"{images:,}",
            percent(correct / images) if images else "–",
            percent_range(wilson_interval(correct, images)) if images else "–",
        ]
        for name, (correct, images) in counts.items()
    ]
    return Section(
        title="Accuracy with and without a detected face",
        text=[text],
        tables=[
            DataTable("Images by face detection of MediaPipe", ["face", "images", "accuracy", INTERVAL], rows)
        ],
    )


def _landmarks(result: EvaluationResult) -> Section:
    errors = {
        name.removeprefix(POINT_METRICS): value
        for name, value in result.metrics.items()
        if name.startswith(POINT_METRICS) and name != "nme_interocular"
    }
    return Section(
        title="Landmark localisation",
        text=["The reference are the landmarks of MediaPipe, not manual annotations."],
        tables=[point_errors_table(errors, "Error of each landmark")],
    )


def _map(embeddings: Embeddings | None, seed: int) -> list[Section]:
    if embeddings is None or len(embeddings.labels) < FEWEST_ON_A_MAP:
        return []
    count = len(embeddings.labels)
    section = Section(
        title="Separation of the expressions",
        pictures=[
            chart_picture(
                f"Embeddings of {count:,} images",
                embedding_figure(embeddings, EXPRESSIONS, seed),
                f"Two-dimensional map of the embeddings of {count:,} images, by expression.",
                "t-SNE preserves neighbourhoods: distances between clusters and their sizes have no meaning. "
                "PCA preserves distances as far as two components can.",
            )
        ],
        notes=[] if has_tsne() else ["Install scikit-learn for t-SNE: pip install 'faceml[search]'."],
    )
    return [section]
