"""Verdicts in words."""

from typing import Any

import pytest

from faceml.reporting.search.tables import result_tables
from faceml.search.comparison import compare_values
from faceml.search.trial import Trial
from faceml.search.verdicts import find_answers, join_names, search_answer, verdict, verdict_lines
from tests.reporting.searches import grid, search, trial


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def the_verdict(trials: list[Trial], **options: Any) -> str:
    (found,) = compare_values(trials, "weighting.kind", **options)
    return plain(verdict(found))


def test_verdict__not_resolvable_says_how_many_seeds_would_do() -> None:
    # Mean 1.2, standard deviation 0.785; 4.303 · 0.785 / √3 = 1.95. Of six, 80 % would find it (Cohen 1988).
    differences = [0.012 - 0.00785, 0.012, 0.012 + 0.00785]
    assert the_verdict(search(uncertainty=differences)) == (
        "uncertainty − fixed = +1.2 points, 95 % interval −0.8…+3.2 (paired over 3 seeds, better in 3 of 3 "
        "pairs): not resolvable with 3 seeds; about 6 would be needed"
    )


def test_verdict__resolved_names_the_better_one() -> None:
    assert the_verdict(search(uncertainty=[-0.02, -0.021, -0.022])) == (
        "uncertainty − fixed = −2.1 points, 95 % interval −2.3…−1.9 (paired over 3 seeds, better in 0 of 3 "
        "pairs): fixed is better"
    )


@pytest.mark.parametrize(
    ("differences", "end"),
    [
        ([0.02], "+2.0 points (one pair of trials): too few trials to estimate the variance"),
        ([0.02, 0.02], "the same in each of 2, so its variance is unknown"),
        ([0.0, 0.0], "+0.0…+0.0 (paired over 2 seeds, better in 0 of 2 pairs): no difference in any of them"),
        ([0.02, -0.02], "not resolvable with 2 seeds; more than 1,000 would be needed"),
    ],
)  # fmt: skip
def test_verdict__what_cannot_be_told(differences: list[float], end: str) -> None:
    assert the_verdict(search(dwa=differences)).endswith(end)


def test_verdict__unpaired_is_said_so() -> None:
    trials = [
        trial(
            {"optimizer.learning_rate": n / 10, "weighting.kind": "dwa" if n % 2 else "fixed"}, 0.5 + n / 100
        )
        for n in range(4)
    ]
    assert the_verdict(trials) == (
        "dwa − fixed = +1.0 points, 95 % interval −5.1…+7.1 (2 and 2 trials, unpaired: fewer than two pairs "
        "differ in nothing else): not resolvable with 2 and 2 trials"
    )


def test_verdict__by_an_early_epoch_and_of_a_minimised_metric_is_said_so() -> None:
    trials = search(dwa=[0.01, 0.03])
    assert "; by epoch 2, which all trials reached): " in the_verdict(trials, epoch=2)
    lower = [trial(t.settings, t.best_score, metric="val/landmark_mse") for t in trials]
    assert "; lower is better): " in the_verdict(lower)


def test_verdict__among_many_needs_more_than_its_own_interval() -> None:
    trials = search(dwa=[0.01, 0.02, 0.03], rlw=[0.0, 0.1, 0.05], famo=[0.2, 0.1, -0.1])
    found = {(c.value, c.baseline): plain(verdict(c)) for c in compare_values(trials, "weighting.kind")}
    # 2 ± 4.303 · 1 / √3 is −0.5…+4.5; five others were made.
    assert "95 % interval −0.5…+4.5" in found["dwa", "fixed"]
    clear = search(dwa=[0.018, 0.02, 0.022], rlw=[0.0, 0.1, 0.05], famo=[0.2, 0.1, -0.1])
    text = plain(verdict(compare_values(clear, "weighting.kind")[0]))
    # t = 2 / (0.2 / √3) = 17.3 with two degrees of freedom: p = 0.0033, times six.
    assert text.endswith("dwa is better among 6 comparisons (Holm's p = 0.020)")
    less = search(dwa=[0.015, 0.02, 0.025], rlw=[0.0, 0.1, 0.05], famo=[0.2, 0.1, -0.1])
    text = plain(verdict(compare_values(less, "weighting.kind")[0]))
    # t = 6.93: p = 0.020, times six.
    assert "clear by itself, but not among 6 comparisons (Holm's p = 0.121); not resolvable" in text


def test_find_answers__of_several_values_names_the_leader_and_whom_it_beats() -> None:
    (answer,) = find_answers(search(dwa=[0.2, 0.201, 0.202], rlw=[0.19, 0.21, 0.18]))
    assert answer.leader == "dwa"
    assert answer.sentence == "Weighting: dwa is ahead, better than fixed and not distinguished from rlw."
    assert not answer.is_decided
    told = [(c.value, c.baseline) for c in answer.reported]
    assert told == [("dwa", "fixed"), ("dwa", "rlw")], "as far as the leader is ahead"


def test_find_answers__decided_and_nothing_to_answer() -> None:
    (answer,) = find_answers(search(dwa=[0.2, 0.201, 0.202]))
    assert answer.is_decided
    assert not find_answers([trial({"optimizer.learning_rate": n / 10}, 0.5) for n in range(3)])


def test_find_answers__where_too_few_finished_by_an_epoch_that_all_reached() -> None:
    trials = [
        trial({"weighting.kind": kind, "seed": seed}, 0.5 + gain * (1 + seed), epochs=4 if seed == 0 else 2)
        for kind, gain in (("fixed", 0.0), ("dwa", 0.1))
        for seed in range(3)
    ]
    (answer,) = find_answers(trials)
    assert [c.epoch for c in answer.matched] == [2]
    assert not answer.early
    assert "by epoch 2, which all trials reached" in answer.sentence


def test_search_answer__the_verdict_and_the_best_trial() -> None:
    assert plain(search_answer(search(dwa=[0.2, 0.201, 0.202]))) == (
        "Weighting: dwa − fixed = +20.1 points, 95 % interval +19.9…+20.3 (paired over 3 seeds, better in "
        "3 of 3 pairs): dwa is better. The best of 6 trials reached 70.2 % validation accuracy."
    )


def test_verdict_lines__one_for_each_comparison_told() -> None:
    trials = grid(
        lambda backbone, kind, seed: 0.5 + 0.01 * seed + 0.1 * (kind == "dwa") * (1 + seed),
        backbone=["resnet18", "resnet50"],
        kind=["fixed", "dwa"],
        seed=[0, 1, 2],
    )
    lines = [plain(line) for line in verdict_lines(trials)]
    assert [line.partition(" = ")[0] for line in lines] == [
        "weighting: dwa − fixed",
        "weighting: dwa − fixed",
        "backbone: resnet50 − resnet18",
        "backbone: resnet50 − resnet18",
    ]
    assert "each with its best settings" in lines[1]
    assert len(result_tables(trials)) == 3


def test_join_names__as_a_person_does() -> None:
    assert [join_names(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]
