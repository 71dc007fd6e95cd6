"""Verdicts on the values of a setting, as text."""

from collections.abc import Sequence
from dataclasses import dataclass

from faceml.page import INTERVAL
from faceml.search.comparison import Comparison, categorical_keys, compare_values, setting_values
from faceml.search.trial import Trial, ranked, setting_name
from faceml.statistics import MOST_REPLICATES

ONE_SEED = "no verdict from one seed"


@dataclass(frozen=True)
class Answer:
    """Comparison of the values of one setting.

    Attributes:
        key: Dotted key of the setting.
        leader: The value with the best mean difference from the others, however small.
        tuned: Comparisons of each pair of values, each with its best settings.
        matched: Comparisons of each pair of values on average over the settings that both were tried with.
    """

    key: str
    leader: str
    tuned: Sequence[Comparison]
    matched: Sequence[Comparison]

    @property
    def main(self) -> list[Comparison]:
        """The comparisons with the leader: with the best settings where there are any, else on average."""
        return self.of_leader(self.tuned or self.matched)

    @property
    def reported(self) -> list[Comparison]:
        """The comparisons with the leader, in both ways if there are only two values."""
        main = self.main
        return main if len(main) > 1 or not self.tuned else [*main, *self.matched]

    @property
    def is_decided(self) -> bool:
        """Whether the leader, with its best settings, is better than all other values with theirs."""
        return all(c.resolved and c.better == self.leader and c.way == "tuned" for c in self.main)

    @property
    def finding(self) -> str:
        """The answer without the name of the setting, and without a full stop."""
        return self._finding()

    @property
    def short(self) -> str:
        """The finding without the numbers of pairs and seeds."""
        return self._finding(basis=False)

    def _finding(self, *, basis: bool = True) -> str:
        main = self.main
        if len(main) == 1:
            return verdict(main[0], basis=basis)
        if all(no_verdict(comparison) for comparison in main):
            return f"{_premise(main)}{self.leader} is ahead: {no_verdict(main[0])}"
        beaten = [c.baseline for c in main if c.resolved]
        others = [c.baseline for c in main if not c.resolved]
        place = "ahead" if self.tuned else "ahead on average"
        ahead = "better than" if self.tuned else "significantly ahead of"
        parts = [f"{ahead} {join_names(beaten)}"] if beaten else []
        parts += [f"not distinguished from {join_names(others)}"] if others else []
        return f"{_premise(main)}{self.leader} is {place}, {' and '.join(parts)}"

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        return f"{setting_name(self.key).capitalize()}: {self.finding}."

    def of_leader(self, comparisons: Sequence[Comparison]) -> list[Comparison]:
        """Return the comparisons with the leader; if there are several, as differences of the leader."""
        found = [c for c in comparisons if self.leader in (c.value, c.baseline)]
        return [c if c.value == self.leader or len(found) == 1 else c.turned for c in found]


def find_answers(trials: Sequence[Trial]) -> list[Answer]:
    """Compare the values of each setting with named values, the loss weighting first."""
    answers = (_answer(trials, key) for key in categorical_keys(trials))
    return [answer for answer in answers if answer]


def verdict(comparison: Comparison, *, basis: bool = True) -> str:
    """Return a comparison as text without a full stop, with the numbers of pairs and seeds."""
    difference, score = comparison.difference, comparison.score
    found = (
        f"{_premise([comparison])}{comparison.value} − {comparison.baseline} = "
        f"{score.format_difference(difference.mean)}{score.unit}"
    )
    if difference.interval:
        found += f", {INTERVAL} {score.format_limits(difference.interval)}"
    shown = _basis(comparison) if basis else ""
    return f"{found}{shown and f' ({shown})'}: {_conclusion(comparison)}"


def no_verdict(comparison: Comparison) -> str:
    """Return why a comparison gives no verdict; empty if it does."""
    difference = comparison.difference
    if comparison.epoch is not None:
        return (
            f"no verdict, because trials were stopped early: compared at epoch {comparison.epoch}; set "
            "scheduler.kind=none"
        )
    if difference.interval is None:
        return ONE_SEED
    if difference.varies:
        return ""
    return (
        f"the same with each of {difference.count} seeds, so its variance is unknown"
        if difference.mean
        else "no difference with any seed"
    )


def search_answer(trials: Sequence[Trial]) -> str:
    """Return the first verdict and the best trial in one or two sentences, for the top of a report."""
    best = ranked(trials)[0]
    reached = f"{best.score.format(best.best_score)} validation {best.score.label}"
    answers = find_answers(trials)[:1]
    return " ".join([*(a.sentence for a in answers), f"The best of {len(trials)} trials reached {reached}."])


def verdict_lines(trials: Sequence[Trial]) -> list[str]:
    """Return the verdicts on the leading value of each setting, for the terminal."""
    return [f"{setting_name(a.key)}: {verdict(c)}." for a in find_answers(trials) for c in a.reported]


def needed_replicates(comparison: Comparison) -> str:
    """Return how many seeds are needed: `about 11`; empty where that is not known."""
    if comparison.needed:
        return f"about {comparison.needed:,}"
    return f"more than {MOST_REPLICATES:,}" if comparison.difference.deviation else ""


def format_p_value(p_value: float | None) -> str:
    """Return a p-value with its sign: `= 0.012`; a dash for a missing one."""
    if p_value is None:
        return "–"
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"


def join_names(names: Sequence[object]) -> str:
    """Join names in a sentence: `fixed, dwa and rlw`."""
    *firsts, last = map(str, names)
    return f"{', '.join(firsts)} and {last}" if firsts else last


def _answer(trials: Sequence[Trial], key: str) -> Answer | None:
    tuned, matched = compare_values(trials, key), compare_values(trials, key, "matched")
    if not (tuned or matched):
        return None
    ahead = dict.fromkeys(setting_values(trials, key), 0.0)
    for comparison in tuned or matched:
        lead = comparison.score.direction * comparison.difference.mean
        ahead[comparison.value] += lead
        ahead[comparison.baseline] -= lead
    return Answer(key, max(ahead, key=ahead.__getitem__), tuned, matched)


def _premise(comparisons: Sequence[Comparison]) -> str:
    """Return how values are compared where there are several settings, as the beginning of a sentence."""
    if comparisons[0].way == "matched":
        counts = {comparison.choices[0] for comparison in comparisons}
        number = f" {counts.pop()}" if len(counts) == 1 else ""
        return f"averaged over the{number} settings that both were tried with, "
    return "each with its best settings, " if any(max(c.choices) > 1 for c in comparisons) else ""


def _basis(comparison: Comparison) -> str:
    """Return the numbers of pairs and seeds of a difference."""
    count = comparison.difference.count
    won = f"better in {comparison.pairs_won} of {comparison.pairs} pairs"
    failed = comparison.failed
    parts = [
        f"paired over {count} seeds, {won}" if count > 1 else "",
        f"without {failed} failed {'trial' if failed == 1 else 'trials'}" if failed else "",
        "lower is better" if comparison.score.minimised else "",
    ]
    return "; ".join(part for part in parts if part)


def _conclusion(comparison: Comparison) -> str:
    reason = no_verdict(comparison)
    if reason:
        return reason
    if comparison.resolved:
        better = "is better" if comparison.way == "tuned" else "is ahead on average"
        return f"{comparison.better} {better}{_among(comparison)}"
    difference = comparison.difference
    low, high = difference.interval or (0.0, 0.0)
    doubt = f"clear by itself, but not{_among(comparison)}; " if low > 0 or high < 0 else ""
    needed = needed_replicates(comparison)
    would = f"; {needed} would be needed" if needed else ""
    return f"{doubt}not significant with {difference.count} seeds{would}"


def _among(comparison: Comparison) -> str:
    """Return the adjusted p-value if there are several comparisons; a single one has its interval."""
    if comparison.comparisons == 1:
        return ""
    p_value = f"p {format_p_value(comparison.adjusted_p)}"
    return f" among {comparison.comparisons} comparisons (Holm's {p_value})"
