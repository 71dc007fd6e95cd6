"""Report of an evaluation of face recognition."""

import math
from collections.abc import Sequence

from faceml.config import EvaluateRecognitionConfig, dump_config
from faceml.page import (
    INTERVAL,
    Chapter,
    Headline,
    Section,
    Tile,
    chart_picture,
    percent,
    percent_range,
    sheet_pictures,
)
from faceml.reporting.recognition.figures import roc_figure, scores_figure
from faceml.reporting.recognition.report import undetected_sentence
from faceml.reporting.verification.findings import (
    ACCURACY,
    DIGITS,
    ExtremePair,
    SetFindings,
    VerificationFindings,
    comparison_sentence,
    verdict_on,
)
from faceml.reporting.verification.tables import (
    comparison_table,
    cosine,
    decision,
    extremes_table,
    folds_table,
    group_tables,
    measured_rates,
    scores_table,
    true_accepts_table,
    verification_table,
)
from faceml.search import join_names
from faceml.training import EVALUATED_RATES

HEADLINES = {
    "accuracy": ("verification accuracy", ""),
    "equal_error_rate": ("equal error rate", "; lower is better"),
}


def verification_chapter(
    config: EvaluateRecognitionConfig, findings: VerificationFindings, facts: Sequence[tuple[str, str]]
) -> Chapter:
    """Return the report of an evaluation.

    Args:
        config: Configuration of the evaluation.
        findings: Its results.
        facts: Provenance of the models and of the sets.
    """
    return Chapter(
        title="Verification",
        headlines=[line for found in findings.sets for line in _headlines(found)],
        sections=[
            section
            for found in findings.sets
            for section in (_result_section(config, found, findings), *_extremes_sections(found, config))
        ],
        config=dump_config(config),
        facts=facts,
    )


def _headlines(found: SetFindings) -> list[Headline]:
    figures = [
        Headline(
            f"{found.name}: {label}",
            percent(found.first.metrics[metric], DIGITS),
            f"{next(iter(found.models))}; {INTERVAL} "
            f"{percent_range(found.first.intervals.get(metric), DIGITS)}{note}",
        )
        for metric, (label, note) in HEADLINES.items()
    ]
    differences = [
        Headline(
            f"{found.name}: {comparison.arm} − {comparison.other}",
            f"{ACCURACY.format_difference(comparison.difference.value)}{ACCURACY.unit}",
            f"{ACCURACY.format_limits(comparison.difference[1:])}: {verdict_on(comparison)}",
        )
        for comparison in found.comparisons
    ]
    return [*figures, *differences]


def _result_section(
    config: EvaluateRecognitionConfig, found: SetFindings, findings: VerificationFindings
) -> Section:
    several = len(found.models) > 1
    return Section(
        title=f"{found.name}: verification",
        text=[*map(comparison_sentence, found.comparisons), *_texts(config, found)],
        pictures=[
            chart_picture(
                "ROC curve",
                roc_figure({name: model.scored for name, model in found.models.items()}),
                "Receiver operating characteristic: true accept rate over false accept rate of "
                f"{', '.join(found.models)}.",
                "Rates left of the dashed line rest on less than ten falsely accepted pairs.",
            ),
            *(
                chart_picture(
                    f"Cosine similarities{f' of {name}' if several else ''}",
                    scores_figure(model.scored),
                    f"Histograms of the cosines by {name} of pairs of the same person and of two people.",
                    "Pairs in the overlap of both histograms are misclassified at any threshold.",
                )
                for name, model in found.models.items()
            ),
        ],
        tables=[
            verification_table(found),
            true_accepts_table(found),
            *([comparison_table(found)] if several else []),
            scores_table(found),
            *group_tables(found),
            folds_table(found),
        ],
        notes=_notes(found, findings),
    )


def _texts(config: EvaluateRecognitionConfig, found: SetFindings) -> list[str]:
    pairs = found.pairs
    settings, number = config.sets[found.name].pairs, len(found.first.folds.accuracies)
    origin = (
        f"read from {settings.file}, in {number} folds"
        if settings.file
        else f"drawn with seed {settings.seed}, in {number} folds without people in common"
    )
    genuine = int(pairs.same.sum())
    people = f" of {pairs.num_people:,} people" if pairs.num_people else ""
    embedding = (
        "The embedding of an image is the sum of those of the image and of its mirror image."
        if config.flip_test
        else "The embedding of an image is that of the image alone, without its mirror image."
    )
    return [
        f"{len(pairs.scores):,} pairs of {found.images:,} images{people} in {found.split}, {origin}: "
        f"{genuine:,} of one person, {len(pairs.scores) - genuine:,} of two."
        f"{undetected_sentence({'without_landmarks': found.without_landmarks})}",
        f"{embedding} The threshold of each fold is chosen on the other folds.",
        *found.leaks,
    ]


def _notes(found: SetFindings, findings: VerificationFindings) -> list[str]:
    impostors = int((~found.pairs.same).sum())
    missing = [rate for rate in EVALUATED_RATES if rate not in measured_rates(found)]
    notes = [
        f"Intervals are a bootstrap over {found.resampled}. They cover the sampling of {found.resampled}, "
        "not the variation between training seeds. There is none where all resamples give the same value, "
        f"as at {percent(1.0, 0)}."
    ]
    if found.resampled == "pairs":
        notes.append(
            "The people of the pairs are not known: there are no identification rates, and intervals take "
            "the pairs as independent."
        )
    if missing:
        rates = join_names([percent(rate, max(0, -round(math.log10(rate)) - 2)) for rate in missing])
        needed = join_names([f"{10 / rate:,.0f}" for rate in missing])
        notes.append(
            f"True accept rates at false accept rates of {rates} need {needed} pairs of two people; there "
            f"are {impostors:,}."
        )
    if found.groups:
        notes.append(
            "Errors in groups of pairs are those of the evaluated model at the thresholds of the folds."
        )
    if found.comparisons:
        notes.append(
            f"A model is better if the interval of the difference excludes 0. The bootstrap resamples the "
            f"same {found.resampled} for both models; intervals are Student's, and hold simultaneously for "
            "all comparisons of the set (Bonferroni)."
        )
    baselines = [name for name, kind in findings.kinds.items() if kind == "multitask"]
    if baselines:
        notes.append(
            f"{', '.join(baselines)}: a model of faceml train, which has not learned to tell people apart. "
            "Faces are cut out as in its training."
        )
    return notes


def _extremes_sections(found: SetFindings, config: EvaluateRecognitionConfig) -> list[Section]:
    """Return the pairs that the evaluated model confuses most; nothing if none are requested."""
    if not found.extremes:
        return []
    pictures, tables = [], []
    for kind, pairs in found.extremes.items():
        tiles = [tile for number, pair in enumerate(pairs, start=1) for tile in _tiles(pair, number)]
        title = f"{found.name}: {kind}"
        pictures += sheet_pictures(tiles, title, f"faces of the {kind}")
        tables.append(extremes_table(title, pairs))
    section = Section(
        title=f"{found.name}: pairs that {next(iter(found.models))} confuses most",
        text=[
            "Faces as the model sees them, two for each pair, with its number, its cosine, and the decision "
            "at the threshold of its fold. Some of the labels may be wrong.",
        ],
        pictures=pictures,
        tables=tables,
    )
    return [section]


def _tiles(pair: ExtremePair, number: int) -> list[Tile]:
    captions = f"{number}: {cosine(pair.score)}", f"{number}: {decision(pair)}"
    return [Tile(face, caption) for face, caption in zip(pair.faces, captions, strict=True)]
