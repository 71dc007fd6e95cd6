import io
import logging
import re

import pytest
from rich.console import Console

from faceml.page import progress
from faceml.page.progress import ProgressReport


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the report sees, to be set by the test."""
    now_s = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now_s[0])
    return now_s


def test_progress_report__lines_say_how_long_the_rest_takes_at_the_mean_speed(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with ProgressReport("extract", 1000, Console(file=io.StringIO())) as report:
        for seconds, done in ((0, 100), (5, 110), (20, 200), (40, 400), (45, 1000)):
            clock[0] = 100.0 + seconds
            report.advance_to(done, "ok")
    assert [record.getMessage() for record in caplog.records] == [
        "extract 200/1000, 0:02:40 left, ok",  # 100 in 20 s
        "extract 400/1000, 0:01:20 left, ok",  # 300 in 40 s
        "extract 1000/1000 ok",
    ]


def test_progress_report__a_terminal_gets_a_bar_with_the_note() -> None:
    screen = io.StringIO()
    with ProgressReport("extract", 10, Console(file=screen, force_terminal=True, width=100)) as report:
        report.advance(4, "4 ok")
        report.advance(6, "10 ok")
    assert re.search(r"extract.*10/10.*10 ok", screen.getvalue())
