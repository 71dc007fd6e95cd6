"""What a report says of a model on a split."""

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
    Picture,
    Section,
    percent,
    percent_range,
    significant,
    svg,
)
from faceml.reporting.evaluation.calibration_figure import reliability_figure
from faceml.reporting.evaluation.classes import classes_data_table, confusion_figure
from faceml.reporting.evaluation.embedding_map import can_draw_neighbours, embedding_figure
from faceml.reporting.evaluation.model_comparison import ComparedModel, comparison_table, points
from faceml.reporting.extraction.landmark_sheet import Tile
from faceml.reporting.extraction.sheet_pictures import sheet_pictures
from faceml.statistics import difference_of_shares, wilson_interval
from faceml.storage import split_place
from faceml.training import Embeddings, EvaluationResult

OF_POINTS = "nme_"
FEWEST_ON_A_MAP = 4


@dataclass(frozen=True)
class EvaluationFindings:
    """What is worth knowing beyond the figures.

    Attributes:
        predictions: `Predictions.table`.
        calibration: Of the expressions.
        mistakes: Pictures of those that the model is surest of.
        embeddings: Of a sample; None if none was asked for.
        compared: Other evaluations of the same images.
    """

    predictions: pa.Table
    calibration: Calibration
    mistakes: Sequence[Tile] = ()
    embeddings: Embeddings | None = None
    compared: Sequence[ComparedModel] = ()


def evaluation_chapter(
    result: EvaluationResult, config: EvaluateConfig, findings: EvaluationFindings
) -> Chapter:
    """Return what an evaluation has to say."""
    confusion, metrics, calibration = result.confusion, result.metrics, findings.calibration
    low, high = confusion.macro_f1_interval()
    sections = [
        *([_comparison(result, config, findings.compared)] if findings.compared else []),
        _expressions(result, config),
        *([_mistakes(findings.mistakes)] if findings.mistakes else []),
        _calibration(calibration),
        _detection(findings.predictions),
        _landmarks(result),
        *_map(findings.embeddings, config.seed),
    ]
    return Chapter(
        title="Evaluation",
        headlines=[
            Headline(
                "Expression accuracy",
                percent(confusion.accuracy),
                f"{INTERVAL} {percent_range(confusion.accuracy_interval())}; n = {confusion.images:,}",
            ),
            Headline(
                "Macro-F1",
                f"{confusion.macro_f1:.3f}",
                f"{INTERVAL} {low:.3f}–{high:.3f}; every expression counts alike",
            ),
            Headline(
                "Calibration error",
                percent(calibration.ece),
                f"up to {percent(calibration.chance_ece)} would be chance",
            ),
            Headline("Landmark MSE", significant(metrics["landmark_mse"]), "of coordinates from 0 to 1"),
            Headline("Landmark NME", percent(metrics["nme_interocular"]), "of the distance between the eyes"),
        ],
        sections=sections,
        config=dump_config(config),
    )


def _comparison(
    result: EvaluationResult, config: EvaluateConfig, compared: Sequence[ComparedModel]
) -> Section:
    name = split_place(config.run.folder)[1]
    return Section(
        title="Which model is better",
        text=[comparison_sentence(name, other) for other in compared],
        tables=[comparison_table(name, result.confusion, compared)],
        notes=[
            "Differences are of the same images; their intervals (Tango 1998) hold for all rows together. "
            "They allow for the draw of images, not for that of the seeds of the trainings."
        ],
    )


def comparison_sentence(name: str, other: ComparedModel) -> str:
    """Say in words which of two models is better."""
    difference = other.difference
    verdict = (
        f"{other.name if difference.value > 0 else name} is better"
        if difference.is_resolved
        else "not resolvable with these images"
    )
    return (
        f"{other.name} − {name} = {points(difference.value)} points, "
        f"{points(difference.low)}…{points(difference.high)}: {verdict}."
    )


def _expressions(result: EvaluationResult, config: EvaluateConfig) -> Section:
    return Section(
        title="How well each expression is recognised",
        text=[f"{config.model} on the images of {config.data.table}."],
        pictures=[
            Picture(
                "Confusions",
                svg(confusion_figure(result.confusion, EXPRESSIONS)),
                "image/svg+xml",
                "Counts of images by true and by predicted expression; the table below has the share "
                "that is right of each.",
                "Rows are true expressions, columns what the network says; the darker, the larger a "
                "row's share.",
            )
        ],
        tables=[classes_data_table(result.confusion, EXPRESSIONS, "Each expression")],
    )


def _mistakes(tiles: Sequence[Tile]) -> Section:
    return Section(
        title="What it is surest of and wrong about",
        text=["Look at these first: some are wrong labels, others say what the training lacks."],
        pictures=sheet_pictures(
            tiles,
            "Most confident mistakes",
            "images that are named wrong",
            "The label / what the model says. The surest come first.",
        ),
    )


def calibration_sentence(calibration: Calibration) -> str:
    """Say in words whether probabilities can be taken at their word."""
    error, chance = percent(calibration.ece), percent(calibration.chance_ece)
    if not calibration.is_off:
        return (
            f"It is right about as often as it says: its calibration error of {error} is one that a "
            f"perfectly calibrated model may have on so many images, up to {chance}."
        )
    surplus = calibration.overconfidence
    how = "too sure of itself" if surplus > 0 else "more often right than it says"
    return (
        f"It is {how}: on average by {abs(100 * surplus):.1f} points. Its calibration error is {error}; "
        f"up to {chance} would be chance. Scale the logits by a temperature before probabilities are used as "
        "such (Guo et al. 2017)."
    )


def _calibration(calibration: Calibration) -> Section:
    return Section(
        title="Whether its probabilities mean what they say",
        text=[calibration_sentence(calibration)],
        pictures=[
            Picture(
                "Reliability",
                svg(reliability_figure(calibration)),
                "image/svg+xml",
                calibration_sentence(calibration),
                "Points below the dotted line are images that the model is too sure of; bars are shares of "
                "all images.",
            )
        ],
    )


def _detection(predictions: pa.Table) -> Section:
    found = predictions["has_landmarks"].to_numpy()
    right = predictions["predicted"].to_numpy() == predictions["label"].to_numpy()
    counts = {
        "found": (int(right[found].sum()), int(found.sum())),
        "not found": (int(right[~found].sum()), int((~found).sum())),
    }
    scores = {name: ratio(*pair) for name, pair in counts.items()}
    if counts["found"][1] and counts["not found"][1]:
        difference = difference_of_shares(counts["found"], counts["not found"])
        verdict = "resolved" if difference.is_resolved else "not resolvable with so few"
        text = (
            f"Accuracy where MediaPipe found a face − where it did not = {points(difference.value)} points, "
            f"{INTERVAL} {points(difference.low)}…{points(difference.high)}: {verdict}."
        )
    else:
        text = "MediaPipe found a face in all of these images, or in none: there is nothing to compare."
    return Section(
        title="Whether it matters that a face was found",
        text=[text],
        tables=[
            DataTable(
                title="Images by whether MediaPipe found a face in them",
                header=["face", "images", "accuracy", INTERVAL],
                rows=[[name, f"{pair[1]:,}", *scores[name]] for name, pair in counts.items()],
            )
        ],
    )


def ratio(right: int, images: int) -> tuple[str, str]:
    """Return an accuracy with its interval, as they are shown."""
    if not images:
        return "–", "–"
    return percent(right / images), percent_range(wilson_interval(right, images))


def _landmarks(result: EvaluationResult) -> Section:
    names = [name.removeprefix(OF_POINTS) for name in result.metrics if name.startswith(OF_POINTS)]
    return Section(
        title="How well landmarks are placed",
        text=["Compared with MediaPipe's points, which no person has checked."],
        tables=[
            DataTable(
                title="Error of each point",
                header=["point", "NME"],
                rows=[
                    [name.replace("_", " "), percent(result.metrics[OF_POINTS + name])]
                    for name in names
                    if name != "interocular"
                ],
            )
        ],
    )


def _map(embeddings: Embeddings | None, seed: int) -> list[Section]:
    if embeddings is None or len(embeddings.labels) < FEWEST_ON_A_MAP:
        return []
    count = len(embeddings.labels)
    notes = [] if can_draw_neighbours() else ["For t-SNE too: pip install 'faceml[search]'."]
    section = Section(
        title="Which expressions it keeps apart",
        pictures=[
            Picture(
                f"Embeddings of {count:,} images",
                svg(embedding_figure(embeddings, EXPRESSIONS, seed)),
                "image/svg+xml",
                f"The embeddings of {count:,} images in the plane, by expression.",
                "t-SNE keeps neighbours together: distances between groups and their sizes mean nothing. PCA "
                "keeps distances, as far as two directions can.",
            )
        ],
        notes=notes,
    )
    return [section]
