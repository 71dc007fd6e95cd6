"""Sections of a report that compare the values of a setting."""

from collections.abc import Sequence

from faceml.page import INTERVAL, DataTable, Headline, Section, chart_picture
from faceml.reporting.search.figures import differences_figure
from faceml.reporting.search.tables import compared, comparisons_table, values_table
from faceml.reporting.search.validation_sample import ValidationSample
from faceml.search import Answer, Trial, no_verdict, outcomes, setting_name, verdict

UNDECIDED = "not significant"
NO_VERDICT = "no verdict"


def answer_headline(answer: Answer) -> Headline:
    """Return which value is better, for the top of a report."""
    undecided = NO_VERDICT if all(map(no_verdict, answer.main)) else UNDECIDED
    value = answer.leader if answer.is_decided else undecided
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
                differences_figure([*answer.of_leader(answer.tuned), *answer.of_leader(answer.matched)]),
                f"Differences of {answer.leader} from every other {name}, with intervals. {lines[0]}",
                "An interval across the dotted line includes no difference. Diamond: each with its own best "
                "settings; round: on average over the settings that both were tried with. Filled: "
                "significant.",
            )
        ],
        tables=[
            values_table(trials, answer.key),
            *_comparison_tables(answer),
        ],
        notes=notes,
    )


def method_notes(answers: Sequence[Answer], trials: Sequence[Trial], faces: ValidationSample) -> list[str]:
    """Return the methods of the comparisons and their limits."""
    score = trials[0].score
    counts = [f"{len(answer.tuned or answer.matched)} of {setting_name(answer.key)}" for answer in answers]
    notes = [
        "Two values are compared with the settings that have the best mean over seeds of each. As these "
        "were chosen by the same seeds, one value is better only if its best setting is better than each "
        "setting of the other (paired t tests over seeds, at a level divided by the number of settings that "
        "it was chosen from). Intervals are those of this test, of each difference by itself, and hold for "
        "the settings that were tried.",
        f"Comparisons made: {', '.join(counts)}. Holm's p keeps the chance of any false verdict among those "
        "of one setting, compared in one way, below 5 %. With the number of seeds needed, a search detects a "
        "difference as large as the observed one with a power of 80 %; estimated from few seeds, it is "
        "rough.",
    ]
    if any(answer.matched for answer in answers):
        notes.append(
            "On average over the settings that both were tried with: each seed counts once, with the mean "
            "of its pairs of trials. The average also depends on settings that nobody would use, so it does "
            "not show which value is better."
        )
    epochs = {comparison.epoch for answer in answers for comparison in answer.main}
    if not all(trial.finished for trial in trials):
        stopped = "".join(
            " The trials that ran to the end were selected by their scores, so all are compared at epoch "
            f"{epoch}, the last one that all reached. A value that learns more slowly but ends better "
            "looks worse there: set scheduler.kind=none for a verdict."
            for epoch in epochs
            if epoch is not None
        )
        notes.append(
            f"Of {len(trials)} trials, {outcomes(trials)}. Comparisons exclude failed trials, and settings "
            "with a failed trial are not selected as the best of a value; failures have no other effect."
            f"{stopped}"
        )
    notes.append(
        f"Every score is the best of up to {max(trial.max_epochs for trial in trials)} epochs, selected on "
        "the validation images themselves. This makes all scores optimistic, most of all those of unstable "
        "trainings; the score of the last epoch is not affected."
    )
    same = (
        "All scores are measured on the same images, which cancels part of this uncertainty in differences; "
        "the differences apply to these images."
    )
    interval = faces.interval(score.best(t.best_score for t in trials if t.records))
    if interval:
        notes.append(
            f"Besides seeds there is the sampling of images: with {faces.total:,} of them the {score.label} "
            f"is uncertain by ± {score.format_margin(interval)}{score.unit}, which more seeds do not reduce. "
            f"{same}"
        )
    else:
        notes.append(f"Besides seeds, scores depend on the sampling of {faces.total:,} images. {same}")
    return notes


def _comparison_tables(answer: Answer) -> list[DataTable]:
    """Return one table, or one for each way of comparing more than two values."""
    ways = [list(way) for way in (answer.tuned, answer.matched) if way]
    if len(answer.main) == 1:
        return [comparisons_table([c for way in ways for c in way], "Both values compared")]
    return [comparisons_table(way, f"Any two values compared: {compared(way[0])}") for way in ways]
