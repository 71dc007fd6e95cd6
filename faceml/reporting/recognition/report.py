"""Report of a recognition training."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from faceml.config import RecognitionConfig, dump_config
from faceml.metrics import ScoredPairs
from faceml.page import (
    INTERVAL,
    Chapter,
    DataTable,
    Headline,
    Section,
    change,
    chart_picture,
    epochs_picture,
    percent,
    percent_range,
)
from faceml.reporting.provenance import training_data_facts
from faceml.reporting.recognition.diagnosis import diagnose_recognition
from faceml.reporting.recognition.figures import roc_figure, scores_figure
from faceml.reporting.training.summary import best_record, epochs_table
from faceml.search import VERIFICATION

VERIFICATION_ACCURACY = VERIFICATION.metric
EQUAL_ERROR_RATE = "verification/equal_error_rate"
WATCHED = ("train/loss_identity", VERIFICATION_ACCURACY, EQUAL_ERROR_RATE)
"""Metrics that logs and progress bars show."""
TRUE_ACCEPT_RATE = "verification/tar_at_far_1e-2"
COLUMNS = {
    "epoch": ("epoch", "d"),
    "loss": ("train/loss_identity", ".3f"),
    "own nearest": ("train/accuracy", ".1%"),
    "accuracy": (VERIFICATION_ACCURACY, ".1%"),
    "EER": (EQUAL_ERROR_RATE, ".1%"),
    "TAR at 1e-2": (TRUE_ACCEPT_RATE, ".1%"),
    "top 1": ("verification/top_1", ".1%"),
    "img/s": ("train/images_per_second", ".0f"),
}


def recognition_table(records: list[dict[str, Any]]) -> DataTable:
    """Return one row for each epoch, the best one highlighted."""
    title = "Training, and verification of unseen people, by epoch"
    return epochs_table(records, COLUMNS, VERIFICATION, title)


def verification_line(summary: Mapping[str, Any]) -> str:
    """Return the verification accuracy of a run with its interval in one sentence."""
    low, high = summary["accuracy_interval"]
    whom, over = (f" of {summary['people']} unseen people", "people") if summary["people"] else ("", "pairs")
    return (
        f"Verification accuracy on {summary['pairs']:,} pairs{whom}: "
        f"{percent(summary['accuracy'])} ({INTERVAL} {percent_range((low, high))}, bootstrap over {over}; "
        f"chance level {percent(0.5)}).{undetected_sentence(summary)}"
        f"{''.join(f' {found}' for found in summary.get('leakage', ()))}"
    )


def undetected_sentence(summary: Mapping[str, Any]) -> str:
    """Return how many images of the pairs have no landmarks and how they were judged; empty without any."""
    found = summary.get("without_landmarks", {"images": 0})  # earlier versions refused them
    if not found["images"]:
        return ""
    number = f"{found['images']:,} images without landmarks"
    if found["rule"] == "wrong":
        return f" {found['pairs']:,} pairs count as wrong, because they have one of {number}."
    return f" {number}, in {found['pairs']:,} pairs, are aligned like the average face."


def recognition_chapter(
    config: RecognitionConfig,
    records: list[dict[str, Any]],
    pairs: ScoredPairs,
    summary: Mapping[str, Any],
    num_people: int,
) -> Chapter:
    """Return the report of a recognition training.

    Args:
        config: Configuration of the training.
        records: Records of its epochs.
        pairs: Verification pairs, scored by the best model.
        summary: Content of the run's `summary.json`.
        num_people: Number of people in the training split.
    """
    best = best_record(records, VERIFICATION)
    accuracy = _sampling(summary, VERIFICATION_ACCURACY)
    whom = f" of {summary['people']} people" if summary["people"] else ""
    return Chapter(
        title="Recognition",
        headlines=[
            Headline(
                "Verification accuracy",
                percent(summary["accuracy"]),
                f"{accuracy}; {summary['pairs']:,} pairs{whom}.{undetected_sentence(summary)}",
            ),
            Headline(
                "Equal error rate",
                percent(best[EQUAL_ERROR_RATE]),
                f"{_sampling(summary, EQUAL_ERROR_RATE)}; lower is better",
            ),
            Headline(
                "TAR at FAR 1 %",
                percent(best[TRUE_ACCEPT_RATE]),
                f"{_sampling(summary, TRUE_ACCEPT_RATE)}; of the pairs of the same person accepted",
            ),
        ],
        sections=[
            _verification(
                records,
                pairs,
                best["epoch"],
                summary.get("leakage", []),
                of_file=config.data.pairs.file is not None,
            ),
            _learning(config, records, num_people),
        ],
        config=dump_config(config),
        facts=[
            *training_data_facts("Recognition", config.data, config.run.folder),
            ("Recognition: wall time", f"{summary['wall_s']:,.0f} s"),
        ],
    )


def _sampling(summary: Mapping[str, Any], metric: str) -> str:
    """Return the interval of a metric due to the sampling of people."""
    limits = summary["intervals"].get(metric)
    return "too few pairs of different people" if limits is None else f"{INTERVAL} {percent_range(limits)}"


def people_sentence(pairs: ScoredPairs, *, of_file: bool) -> str:
    """Return what is known of the people of the pairs.

    Args:
        pairs: The scored pairs.
        of_file: Whether a file names the pairs: its data set may name a person of the training split
            otherwise, and its folds may share people.
    """
    if pairs.num_people is None:
        return (
            "The people of the pairs are not known. Some may be in the training split, or in several folds, "
            "and intervals take the pairs as independent."
        )
    of_training = f"{'has the name of one' if of_file else 'is'} in the training split"
    in_folds = np.unique(np.column_stack([pairs.people.ravel(), pairs.folds.repeat(2)]), axis=0)
    shared = int((np.unique(in_folds[:, 0], return_counts=True)[1] > 1).sum())
    of_folds = (
        f"{shared:,} of them are in several folds, so that the accuracy is optimistic"
        if shared
        else "each fold holds other people"
    )
    return f"None of these people {of_training}, and {of_folds}."


def _verification(
    records: list[dict[str, Any]],
    pairs: ScoredPairs,
    best_epoch: int,
    leaks: list[str],
    *,
    of_file: bool,
) -> Section:
    of = "people" if pairs.num_people else "pairs"
    people = people_sentence(pairs, of_file=of_file)
    return Section(
        title="Verification of unseen people",
        text=[
            f"{people} The embedding of an image is the sum of those of the image and of its mirror image. "
            "The threshold of each fold is chosen on the other folds.",
            *leaks,
        ],
        pictures=[
            epochs_picture(
                records,
                "Verification accuracy",
                {"accuracy": VERIFICATION_ACCURACY},
                "accuracy on unseen people",
                f"Accuracy is {percent(records[0][VERIFICATION_ACCURACY])} after the first epoch and "
                f"{percent(records[-1][VERIFICATION_ACCURACY])} after the last.",
                percent=True,
                best_epoch=best_epoch,
                baseline=("chance", 0.5),
            ),
            chart_picture(
                "ROC curve",
                roc_figure({"": pairs}),
                "Receiver operating characteristic: true accept rate over false accept rate.",
                "Rates left of the dashed line rest on less than ten falsely accepted pairs.",
            ),
            chart_picture(
                "Cosine similarities",
                scores_figure(pairs),
                "Histograms of the cosine similarity of pairs of the same person and of different people.",
                "Pairs in the overlap of both histograms are misclassified at any threshold.",
            ),
        ],
        tables=[recognition_table(records)],
        notes=[
            f"The best epoch is selected on these {of}, so its accuracy is an optimistic estimate for other "
            f"{of}. The interval covers the sampling of {of}, not this selection."
        ],
    )


def _learning(config: RecognitionConfig, records: list[dict[str, Any]], num_people: int) -> Section:
    return Section(
        title="Training",
        text=[
            f"{num_people:,} people, {config.data.sampling} sampling, batches of "
            f"{config.data.people_per_batch} × {config.data.images_per_person} images, {config.margin.kind} "
            f"with margin {config.margin.margin:g} at scale {config.margin.scale:g}, weights: "
            f"{config.model.weights}.",
            *(finding.text for finding in diagnose_recognition(records, config, num_people)),
        ],
        pictures=[
            epochs_picture(
                records,
                "Cosine to the class centres",
                {"own person": "train/cosine_own", "others": "train/cosine_others"},
                "cosine to the centre",
                f"The cosine to the own centre goes from {change(records, 'train/cosine_own')}.",
                "Of training images. Curves that stay together indicate that nothing is learned.",
            ),
            epochs_picture(
                records,
                "Gradient norm",
                {"gradient": "train/grad_norm"},
                "norm, mean of an epoch",
                f"The norm goes from {change(records, 'train/grad_norm')}.",
            ),
        ],
    )
