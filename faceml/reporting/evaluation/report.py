"""Report of an evaluation of a multitask model on a split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from faceml.config import EvaluateConfig, dump_config
from faceml.page import Chapter, Section, Tile, chart_picture
from faceml.reporting.evaluation.embedding_map import embedding_figure, has_tsne
from faceml.reporting.evaluation.model_comparison import (
    ComparedModel,
    comparison_section,
    comparison_summary,
)
from faceml.reporting.provenance import evaluated_split
from faceml.storage import short_names
from faceml.tables import NamedCount
from faceml.tasks import Task, TaskEvaluation, Tasks, metric_name, own_metrics
from faceml.training import Embeddings, EvaluationResult

FEWEST_ON_A_MAP = 4


@dataclass(frozen=True)
class EmbeddingMap:
    """Embeddings of a sample, with the task whose classes they show.

    Attributes:
        embeddings: The embeddings.
        task: The task.
    """

    embeddings: Embeddings
    task: Task[Any]


@dataclass(frozen=True)
class EvaluationFindings:
    """Results of an evaluation.

    Attributes:
        result: Metrics of all tasks.
        tasks: The tasks by name.
        predictions: `Predictions.table`.
        evaluations: Evaluation of each task, by name.
        mistakes: Images on which the network errs most, by task.
        embeddings: Embeddings of a sample; None if not requested.
        compared: Other evaluations of the same images.
    """

    result: EvaluationResult
    tasks: Tasks
    predictions: pa.Table
    evaluations: Mapping[str, TaskEvaluation]
    mistakes: Mapping[str, Sequence[Tile]] = field(default_factory=dict)
    embeddings: EmbeddingMap | None = None
    compared: Sequence[ComparedModel] = ()

    @property
    def answer(self) -> str:
        """The result in one sentence, that of the first task."""
        name, task = next(iter(self.tasks.items()))
        return task.chapter().answer(self.evaluations[name].metrics, "The model", "the images")


def evaluate_tasks(
    result: EvaluationResult, tasks: Tasks, predictions: pa.Table, targets: Mapping[str, Any]
) -> dict[str, TaskEvaluation]:
    """Return the evaluation of each task, by name.

    Args:
        result: Metrics of all tasks on N images.
        tasks: The tasks by name.
        predictions: Table of the predictions of the images, in their order.
        targets: Target of each task.
    """
    metrics = {**result.metrics, **result.arrays}
    return {
        name: task.chapter().evaluation(own_metrics(name, metrics), predictions, targets[name])
        for name, task in tasks.items()
    }


def evaluation_chapter(config: EvaluateConfig, findings: EvaluationFindings) -> Chapter:
    """Return the report of an evaluation."""
    sections = [
        section
        for name, evaluation in findings.evaluations.items()
        for section in evaluation.sections(findings.mistakes.get(name, ()))
    ]
    source = f"{config.model} on the images of {evaluated_split(config)}."
    sections[0] = replace(sections[0], text=[source, *sections[0].text])
    compared, name = findings.compared, short_names([config.run.folder, *config.compare_with])[0]
    return Chapter(
        title="Evaluation",
        headlines=[line for part in findings.evaluations.values() for line in part.headlines()],
        sections=[
            *([comparison_section(name, compared)] if compared else []),
            *sections,
            *_map(findings.embeddings, config.seed),
        ],
        config=dump_config(config),
    )


def evaluation_summary(findings: EvaluationFindings, left_out: Mapping[str, NamedCount]) -> dict[str, Any]:
    """Return the content of `summary.json`, except `wall_s`.

    Args:
        findings: Results of the evaluation.
        left_out: Images of the split that were not evaluated, by reason.
    """
    intervals, others = dict[str, Any](), dict[str, Any]()
    for name, evaluation in findings.evaluations.items():
        intervals |= {
            f"{metric_name(name, metric)}_interval": limits
            for metric, limits in evaluation.intervals().items()
        }
        others |= {metric_name(name, entry): value for entry, value in evaluation.summary().items()}
    return {
        "images": findings.predictions.num_rows,
        "left_out": {reason: count.number for reason, count in left_out.items()},
        **findings.result.metrics,
        **intervals,
        **findings.result.arrays,
        **others,
        "compared": comparison_summary(findings.compared),
    }


def _map(found: EmbeddingMap | None, seed: int) -> list[Section]:
    if found is None or len(found.embeddings.labels) < FEWEST_ON_A_MAP:
        return []
    count, words = len(found.embeddings.labels), found.task.name.replace("_", " ")
    section = Section(
        title=f"Separation by {words}",
        pictures=[
            chart_picture(
                f"Embeddings of {count:,} images",
                embedding_figure(found.embeddings, found.task.group_names, seed),
                f"Two-dimensional map of the embeddings of {count:,} images, by {words}.",
                "t-SNE preserves neighbourhoods: distances between clusters and their sizes have no meaning. "
                "PCA preserves distances as far as two components can.",
            )
        ],
        notes=[] if has_tsne() else ["Install scikit-learn for t-SNE: pip install 'faceml[search]'."],
    )
    return [section]
