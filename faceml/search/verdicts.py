"""Verdicts on the values of a setting, as text."""

from collections.abc import Sequence
from dataclasses import dataclass

from faceml.page import INTERVAL
from faceml.search.comparison import (
    Comparison,
    categorical_keys,
    common_epoch,
    compare_values,
    setting_values,
)
from faceml.search.trial import Trial, ranked, setting_name
from faceml.statistics import MOST_REPLICATES


@dataclass(frozen=True)
class Answer:
    """Comparison of the values of one setting.

    Attributes:
        key: Dotted key of the setting.
        leader: The value with the best mean difference from the others, however small.
        matched: Comparisons of each pair of values over the settings that both were tried with.
        tuned: Comparisons of each pair of values with their own best settings; none without repeated seeds.
        early: As `matched`, at the last epoch that all trials reached; none if all trials finished.
    """

    key: str
    leader: str
    matched: Sequence[Comparison]
    tuned: Sequence[Comparison]
    early: Sequence[Comparison]

    @property
    def reported(self) -> list[Comparison]:
        """The comparisons with the leader, in both ways if there are only two values."""
        matched = self.of_leader(self.matched)
        return matched if len(matched) > 1 else [*matched, *self.tuned]

    @property
    def is_decided(self) -> bool:
        """Whether the differences of the leader from all other values are resolved."""
        return all(c.resolved and c.better == self.leader for c in self.of_leader(self.matched))

    @property
    def finding(self) -> str:
        """The answer without the name of the setting, and without a full stop."""
        return self._finding()

    @property
    def short(self) -> str:
        """The finding without the numbers of pairs and seeds."""
        return self._finding(basis=False)

    def _finding(self, *, basis: bool = True) -> str:
        of_leader = self.of_leader(self.matched)
        if len(of_leader) == 1:
            return verdict(of_leader[0], basis=basis)
        beaten = [c.baseline for c in of_leader if c.resolved]
        others = [c.baseline for c in of_leader if not c.resolved]
        parts = [f"better than {join_names(beaten)}"] if beaten else []
        parts += [f"not distinguished from {join_names(others)}"] if others else []
        return f"{self.leader} is ahead, {' and '.join(parts)}"

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
        f"{comparison.value} − {comparison.baseline} = {score.format_difference(difference.mean)}{score.unit}"
    )
    if difference.interval:
        found += f", {INTERVAL} {score.format_limits(difference.interval)}"
    return f"{found}{f' ({_basis(comparison)})' if basis else ''}: {_conclusion(comparison)}"


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
    """Return how many replicates are needed: `about 11`; empty where that is not known."""
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
    matched, tuned = compare_values(trials, key), compare_values(trials, key, "tuned")
    epoch = common_epoch(trials)
    stopped = any(trial.stopped_early for trial in trials)
    early = compare_values(trials, key, epoch=epoch) if stopped and epoch else []
    if not any(comparison.difference.interval for comparison in matched):
        matched = early or matched  # too few trials finished
    if not matched:
        return None
    ahead = dict.fromkeys(setting_values(trials, key), 0.0)
    for comparison in matched:
        lead = comparison.score.direction * comparison.difference.mean
        ahead[comparison.value] += lead
        ahead[comparison.baseline] -= lead
    return Answer(key, max(ahead, key=ahead.__getitem__), matched, tuned, early if matched != early else [])


def _basis(comparison: Comparison) -> str:
    """Return the numbers of pairs, seeds or trials of a difference."""
    counts, pairs = comparison.difference.counts, comparison.pairs
    if comparison.replicates == "trials":
        basis = f"{join_names(counts)} trials, unpaired: fewer than two pairs differ in nothing else"
    elif pairs == 1:
        basis = "one pair of trials"
    else:
        of = "" if comparison.replicates == "seeds" else " of one seed"
        basis = f"paired over {counts[0]} {comparison.replicates}{of}"
        # With the best settings of each value there is one pair for each seed.
        what = "pairs" if comparison.way == "matched" else "seeds"
        basis += f", better in {comparison.pairs_won} of {pairs} {what}"
    parts = [
        "each with its best settings" if comparison.way == "tuned" else "",
        basis,
        "" if comparison.epoch is None else f"by epoch {comparison.epoch}, which all trials reached",
        "lower is better" if comparison.score.minimised else "",
    ]
    return "; ".join(part for part in parts if part)


def _conclusion(comparison: Comparison) -> str:
    difference = comparison.difference
    if difference.interval is None:
        return "too few trials to estimate the variance"
    low, high = difference.interval
    if low == high:
        return (
            f"the same in each of {difference.counts[0]}, so its variance is unknown"
            if difference.mean
            else "no difference in any of them"
        )
    if comparison.resolved:
        return f"{comparison.better} is better{_among(comparison)}"
    doubt = f"clear by itself, but not{_among(comparison)}; " if low > 0 or high < 0 else ""
    number = f"{join_names(difference.counts)} {comparison.replicates}"
    needed = needed_replicates(comparison)
    return f"{doubt}not resolvable with {number}" + (f"; {needed} would be needed" if needed else "")


def _among(comparison: Comparison) -> str:
    """Return the adjusted p-value if there are several comparisons; a single one has its interval."""
    if comparison.comparisons == 1:
        return ""
    p_value = f"p {format_p_value(comparison.adjusted_p)}"
    return f" among {comparison.comparisons} comparisons (Holm's {p_value})"
