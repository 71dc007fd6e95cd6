import io
import logging
import math
import time

import pytest
from rich.console import Console

from faceml.reporting.search.board import TrialBoard
from tests.reporting.searches import SCORES


def board(console: Console, total: int = 4, metric: str = "val/accuracy") -> TrialBoard:
    return TrialBoard(total, 10, SCORES[metric], console)


def plain() -> Console:
    return Console(file=io.StringIO(), force_terminal=False, width=160)


def test_trial_board__a_terminal_shows_every_running_and_failed_trial_and_the_best() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=160, height=50)
    with board(screen, total=20) as told:
        for number in range(12):
            name = f"trial_{number:05}"
            told.started(name, {"optimizer.learning_rate": 1e-3 * (number + 1), "weighting.kind": "fixed"})
            told.epoch_ended(name, 3, 0.9 if number == 1 else 0.3)
            told.ended(name, "A gradient is not finite" if number == 2 else "")
        told.started("trial_00012", {"weighting.kind": "uncertainty"})
        told.epoch_ended("trial_00012", 7, 0.25)
        lines = rendered(told)
    rows = {line.split()[0]: line for line in lines if line.startswith("trial_")}
    assert "running" in rows["trial_00012"]
    assert "7/10" in rows["trial_00012"]
    assert "25.0\N{NO-BREAK SPACE}%" in rows["trial_00012"]
    assert "A gradient is not finite" in rows["trial_00002"]
    assert "90.0\N{NO-BREAK SPACE}%" in rows["trial_00001"]
    assert "trial_00000" not in rows, "what ended long ago makes room"
    assert lines[-1].startswith(
        "12 of 20 trials ended, 1 running, 1 failed, "
        "best accuracy 90.0\N{NO-BREAK SPACE}% (trial_00001), about "
    )
    assert "trial_00012" in screen.file.getvalue()  # type: ignore[attr-defined]


def rendered(told: TrialBoard) -> list[str]:
    paper = Console(file=io.StringIO(), width=160)
    paper.print(told._live.get_renderable())
    return paper.file.getvalue().rstrip().splitlines()  # type: ignore[attr-defined,no-any-return]


def test_trial_board__plain_lines_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    console = plain()
    with board(console) as told:
        told.started("trial_00000", {"optimizer.learning_rate": 0.00123456, "seed": 1})
        told.epoch_ended("trial_00000", 1, 0.5)
        told.epoch_ended("trial_00000", 2, 0.25)
        told.ended("trial_00000")
        told.started("trial_00001", {"seed": 2})
        told.ended("trial_00001", "MemoryError")
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]
    assert caplog.messages[0] == (
        "trial_00000 ended after epoch 2, accuracy 50.0\N{NO-BREAK SPACE}%; learning rate 0.00123, seed 1"
    )
    assert caplog.messages[2] == "trial_00001 failed: MemoryError, accuracy –; seed 2"


def test_trial_board__the_best_of_an_error_is_the_least() -> None:
    told = board(plain(), metric="val/nme_interocular")
    for number, value in enumerate((0.3, 0.1, 0.2, math.nan)):
        told.started(f"trial_{number}", {})
        told.epoch_ended(f"trial_{number}", 1, value)
    assert told.best_trial == "trial_1"


def test_trial_board__time_left_counts_epochs_done_or_saved_since_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    told = board(plain(), total=4)
    told.ended_before("trial_0", {}, 0.5, "")  # 10 of 40 epochs, which took no time
    assert "left" not in told.headline
    told.started("trial_1", {})
    told.epoch_ended("trial_1", 2, 0.1)
    clock[0] += 60
    told.ended("trial_1")  # ten epochs done or saved in a minute, 20 are left
    assert told.headline.endswith("best accuracy 50.0\N{NO-BREAK SPACE}% (trial_0), about 0:02:00 left")
