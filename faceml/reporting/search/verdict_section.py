"""Sections of a report that compare the values of a setting."""

from collections.abc import Sequence

from faceml.page import INTERVAL, DataTable, Headline, Section, chart_picture
from faceml.reporting.search.figures import differences_figure
from faceml.reporting.search.tables import compared, comparisons_table, values_table
from faceml.reporting.training.report import ValidationFaces
from faceml.search import ACCURACY, Answer, Trial, common_epoch, outcomes, setting_name, verdict

UNDECIDED = "not resolvable"


def answer_headline(answer: Answer) -> Headline:
    """Return which value is better, for the top of a report."""
    value = answer.leader if answer.is_decided else UNDECIDED
    return Headline(f"Better {setting_name(answer.key)}", value.replace("_", " "), answer.short)


def answer_section(answer: Answer, trials: Sequence[Trial], notes: Sequence[str] = ()) -> Section:
    """Return the comparison of the values of a setting, with notes below it."""
    name = setting_name(answer.key)
    lines = [f"{verdict(comparison)}." for comparison in answer.reported]
    return Section(
        title=f"Which {name} is better",
        text=[answer.sentence, *(line for line in lines if not answer.sentence.endswith(line))],
        pictures=[
            chart_picture(
                f"Differences with {INTERVAL}s",
                differences_figure([*answer.of_leader(answer.matched), *answer.of_leader(answer.tuned)]),
                f"Differences of {answer.leader} from every other {name}, with intervals. {lines[0]}",
                "An interval across the dotted line includes no difference. Round: over the settings that "
                "both were tried with; square: each with its own best settings. Filled: resolved.",
            )
        ],
        tables=[
            values_table(trials, answer.key),
            *_comparison_tables(answer),
        ],
        notes=notes,
    )


def method_notes(answers: Sequence[Answer], trials: Sequence[Trial], faces: ValidationFaces) -> list[str]:
    """Return the methods of the comparisons and their limits."""
    score = trials[0].score
    counts = [f"{len(answer.matched)} of {setting_name(answer.key)}" for answer in answers]
    notes = [
        "A pair is two trials that differ in nothing else but the settings that only one of the values has, "
        "which are averaged over. Each seed counts once, with the mean of its pairs; where there is one seed "
        "only, each setting does. Intervals are Student's, of each difference by itself, and hold for the "
        "settings that were tried.",
        f"Comparisons made: {', '.join(counts)}. Holm's p keeps the chance of any false verdict among those "
        "of one setting, compared in one way, below 5 %. The number needed finds a difference as large as "
        "the observed one in four of five searches; from a few seeds it is a rough one.",
    ]
    if any(answer.tuned for answer in answers):
        notes.append(
            "With its own best settings: for each seed, those that were best with the other seeds. Choosing "
            "by the same seed would overestimate the best of many."
        )
    if not all(trial.finished for trial in trials):
        early = any(answer.early for answer in answers)
        at = f" and at epoch {common_epoch(trials)}, which all others reached" if early else ""
        notes.append(
            f"Of {len(trials)} trials, {outcomes(trials)}. Comparisons exclude failed trials, so a value "
            "whose trials fail is not penalised. Others are compared after all their epochs"
            f"{at}: a stopped trial had fewer epochs to choose from, and the others are a selection."
        )
    notes.append(
        f"Every score is the best of up to {trials[0].max_epochs} epochs on the images that it is measured "
        "on, which overestimates all, and the least stable most; the score of the last epoch is not chosen."
    )
    same = "Differences were measured on the same images, which removes part of it, and hold for them."
    if score is ACCURACY:
        low, high = faces.interval(score.best(t.best_score for t in trials if t.records))
        notes.append(
            f"Besides seeds there is the sampling of images: with {faces.total:,} of them an accuracy is "
            f"uncertain by ± {100 * (high - low) / 2:.1f} points, which more seeds do not reduce. {same}"
        )
    else:
        notes.append(f"Besides seeds, scores depend on the sampling of {faces.total:,} images. {same}")
    return notes


def _comparison_tables(answer: Answer) -> list[DataTable]:
    """Return one table, or one for each way of comparing more than two values."""
    ways = [list(way) for way in (answer.matched, answer.tuned, answer.early) if way]
    if len(answer.matched) == 1:
        return [comparisons_table([c for way in ways for c in way], "Both values compared")]
    return [comparisons_table(way, f"Any two values compared: {compared(way[0])}") for way in ways]
