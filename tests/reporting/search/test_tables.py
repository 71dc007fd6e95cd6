"""What a search found, as tables."""

import pytest
from rich.console import Console

from faceml.reporting.search.tables import (
    comparisons_table,
    result_tables,
    seeds_interval,
    values_table,
)
from faceml.search.comparison import compare_values
from tests.reporting.searches import grid, search, trial


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_values_table__means_over_everything_and_at_best() -> None:
    fixed = grid(
        lambda kind, weight, seed: 0.5 + 0.1 * weight + 0.01 * seed,
        kind=["fixed"],
        weight=[0, 1],
        seed=[0, 1],
    )
    stopped = [trial({"weighting.kind": "dwa", "seed": 0}, 0.9, epochs=2)]
    rows = [[plain(cell) for cell in row] for row in values_table(fixed + stopped, "weighting.kind").rows]
    # By seed 55 and 56 %: 12.706 · 0.5; at best 60 and 61 %.
    assert rows == [
        ["fixed", "4 of 4", "55.5 %", "6.4", "60.5 %", "6.4", "2", "lambda landmarks 1"],
        ["dwa", "0 of 1", "–", "–", "–", "–", "0", ""],
    ]


def test_seeds_interval__each_seed_counts_once() -> None:
    trials = grid(lambda rate, seed: 0.5 + 0.01 * seed + rate, rate=[0.1, 0.2, 0.3], seed=[0, 1])
    interval = seeds_interval(trials)
    assert interval == pytest.approx((0.705 - 12.7062 * 0.005, 0.705 + 12.7062 * 0.005), abs=1e-5)
    assert seeds_interval(trials[:1]) is None


def test_comparisons_table__a_row_for_each() -> None:
    table = comparisons_table(
        compare_values(search(dwa=[0.2, 0.201, 0.202], rlw=[0.3, 0.1, 0.2]), "weighting.kind"), "All"
    )
    assert [row[0] for row in table.rows] == ["dwa − fixed", "rlw − fixed", "rlw − dwa"]
    assert table.rows[0][1:] == ["own best settings", "+20.1", "+19.9…+20.3", "< 0.001", "+20.1", "3", "–"]
    assert set(table.highlighted) == {0}
    assert all(table.is_numeric(column) for column in (2, 3, 4, 5, 7))


def test_result_tables__one_for_each_setting_and_a_leaderboard_on_a_terminal() -> None:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(*result_tables(search(dwa=[0.2, 0.201, 0.202])))
    lines = plain(console.export_text()).splitlines()
    assert lines[0].startswith("Each weighting: mean over all its finished trials")
    of_dwa = next(line for line in lines if "dwa" in line)
    # 20.0, 20.1 and 20.2 points above 50 %: 4.303 · 0.1 / √3.
    assert [cell.strip() for cell in of_dwa.split("│")[1:5]] == ["dwa", "3 of 3", "70.1 %", "0.2"]
    assert any(line.startswith("Leaderboard by mean validation accuracy over seeds") for line in lines)
