"""Verdicts in words."""

from dataclasses import replace
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
        "pairs): not significant with 3 seeds; about 6 would be needed"
    )


def test_verdict__resolved_names_the_better_one() -> None:
    assert the_verdict(search(uncertainty=[-0.02, -0.021, -0.022])) == (
        "uncertainty − fixed = −2.1 points, 95 % interval −2.3…−1.9 (paired over 3 seeds, better in 0 of 3 "
        "pairs): fixed is better"
    )


@pytest.mark.parametrize(
    ("differences", "end"),
    [
        ([0.02], "dwa − fixed = +2.0 points: no verdict from one seed"),
        ([0.02, 0.02], "the same with each of 2 seeds, so its variance is unknown"),
        ([0.0, 0.0], "+0.0…+0.0 (paired over 2 seeds, better in 0 of 2 pairs): no difference with any seed"),
        ([0.02, -0.02], "not significant with 2 seeds; more than 1,000 would be needed"),
    ],
)  # fmt: skip
def test_verdict__what_cannot_be_told(differences: list[float], end: str) -> None:
    assert the_verdict(search(dwa=differences)).endswith(end)


def test_verdict__best_settings_and_averages_are_said_so() -> None:
    trials = grid(
        lambda rate, kind, seed: 0.5 - rate * (1 + (kind == "dwa")) - 0.001 * seed * (kind == "dwa"),
        rate=[0.0, 0.1, 0.2],
        kind=["fixed", "dwa"],
        seed=[0, 1, 2],
    )
    assert the_verdict(trials) == (
        "each with its best settings, dwa − fixed = −0.1 points, 95 % interval −0.5…+0.3 (paired over 3 "
        "seeds, better in 0 of 3 pairs): not significant with 3 seeds; about 14 would be needed"
    )
    # The means over the three rates are 10 points apart, though the best settings are alike.
    averaged = the_verdict(trials, way="matched")
    assert averaged.startswith("averaged over the 3 settings that both were tried with, dwa − fixed = −10.1")
    assert averaged.endswith("(paired over 3 seeds, better in 0 of 9 pairs): fixed is ahead on average")
    (answer,) = find_answers(trials)
    assert not answer.is_decided
    assert [c.way for c in answer.reported] == ["tuned", "matched"]


def test_verdict__failed_trials_are_counted() -> None:
    trials = search(dwa=[0.01, 0.03, 0.05])
    trials[-1] = replace(trials[-1], error="broken")
    assert "(paired over 2 seeds, better in 2 of 2 pairs; without 1 failed trial): " in the_verdict(trials)


def test_verdict__of_a_minimised_metric_is_said_so() -> None:
    trials = search(dwa=[0.01, 0.03])
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
    assert "clear by itself, but not among 6 comparisons (Holm's p = 0.121); not significant" in text


def test_find_answers__of_several_values_names_the_leader_and_whom_it_beats() -> None:
    (answer,) = find_answers(search(dwa=[0.2, 0.201, 0.202], rlw=[0.19, 0.21, 0.18]))
    assert answer.leader == "dwa"
    assert answer.sentence == "Weighting: dwa is ahead, better than fixed and not distinguished from rlw."
    assert not answer.is_decided
    told = [(c.value, c.baseline) for c in answer.reported]
    assert told == [("dwa", "fixed"), ("dwa", "rlw")], "as far as the leader is ahead"


def test_find_answers__averages_over_settings_make_no_value_better() -> None:
    levels = {"fixed": 0.5, "dwa": 0.7, "rlw": 0.69}
    trials = [
        trial(
            {"weighting.kind": kind, "optimizer.learning_rate": rate, "seed": seed},
            level + 0.01 * rate + (0.003 * seed if kind == "rlw" else 0.002 * seed * rate),
            error="broken" if seed == rate else None,  # each setting without another seed
        )
        for kind, level in levels.items()
        for rate in (1, 2)
        for seed in range(6)
    ]
    (answer,) = find_answers(trials)
    assert not answer.tuned
    assert "dwa is ahead on average, significantly ahead of rlw" in answer.sentence
    assert "better" not in answer.sentence


def test_find_answers__decided_and_nothing_to_answer() -> None:
    (answer,) = find_answers(search(dwa=[0.2, 0.201, 0.202]))
    assert answer.is_decided
    assert not find_answers([trial({"optimizer.learning_rate": n / 10}, 0.5) for n in range(3)])


def stopped(*kinds: str) -> list[Trial]:
    return [
        trial({"weighting.kind": kind, "seed": seed}, 0.5 + n / 10, epochs=4 if seed else 2)
        for n, kind in enumerate(kinds)
        for seed in range(3)
    ]


def test_find_answers__stopped_trials_give_no_verdict_in_any_sentence() -> None:
    reason = "no verdict, because trials were stopped early: compared at epoch 2; set scheduler.kind=none"
    for kinds in (("fixed", "dwa"), ("fixed", "dwa", "rlw")):
        trials = stopped(*kinds)
        (answer,) = find_answers(trials)
        assert not answer.is_decided
        for text in (answer.short, answer.sentence, search_answer(trials), *verdict_lines(trials)):
            assert reason in text
            assert "better than" not in text
            assert "is better" not in text


def test_find_answers__one_seed_gives_no_verdict_in_any_sentence() -> None:
    for kinds in (("fixed", "dwa"), ("fixed", "dwa", "rlw")):
        trials = [t for t in stopped(*kinds) if t.settings["seed"] == 1]
        (answer,) = find_answers(trials)
        for text in (answer.short, answer.sentence, search_answer(trials), *verdict_lines(trials)):
            assert "no verdict from one seed" in text
            assert "better" not in text


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
        "weighting: each with its best settings, dwa − fixed",
        "weighting: averaged over the 2 settings that both were tried with, dwa − fixed",
        "backbone: each with its best settings, resnet50 − resnet18",
        "backbone: averaged over the 2 settings that both were tried with, resnet50 − resnet18",
    ]
    assert len(result_tables(trials)) == 3


def test_join_names__as_a_person_does() -> None:
    assert [join_names(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]
