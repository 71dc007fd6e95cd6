import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler

from faceml.config.loading import parse_config
from faceml.config.tune import TuneConfig
from faceml.runs.trial_folder import Outcome, TrialFolder
from ray_jobs.search.outage import StopAtOutage
from ray_jobs.search.searcher import PlanSearcher, best_value, build_scheduler, list_plan, trial_folders
from tests.reporting.searches import SCORES

SPLIT = {"table": "/tables", "images": "/images"}
EPOCHS = 4


def config(folder: Path, **changes: Any) -> TuneConfig:
    train = {
        "data": {"train": SPLIT, "val": SPLIT},
        "training": {"epochs": EPOCHS},
        "run": {"folder": "/runs/train"},
    }
    search = {"seed": {"kind": "grid", "values": [0, 1, 2]}}
    return parse_config(
        TuneConfig, {"train": train, "search": search, "run": {"folder": str(folder)}} | changes
    )


def write_trial(folder: Path, name: str, accuracies: list[float], ended: bool = True) -> TrialFolder:
    trial = TrialFolder(folder / "trials" / name)
    trial.begin({"seed": 0})
    records = [{"epoch": n, "val/accuracy": value} for n, value in enumerate(accuracies, start=1)]
    Path(trial.place, "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    if ended:
        trial.end(Outcome())
    return trial


def test_plan_searcher__suggests_only_what_has_not_ended_and_tells_the_plan_of_the_rest(
    tmp_path: Path,
) -> None:
    write_trial(tmp_path, "trial_00000", [0.2, 0.6, 0.4])
    write_trial(tmp_path, "trial_00001", [0.3], ended=False)
    told: dict[str, float | None] = {}
    plan = list_plan([{"seed": number} for number in range(3)], {})._replace(on_result=told.__setitem__)
    searcher = PlanSearcher(plan, config(tmp_path), StopAtOutage())
    assert searcher.suggest("a") == {"trial": "trial_00001", "settings": {"seed": 1}}
    assert told == {"trial_00000": 0.6}
    assert searcher.suggest("b") == {"trial": "trial_00002", "settings": {"seed": 2}}
    assert TrialFolder(tmp_path / "trials" / "trial_00002").settings == {"seed": 2}
    assert searcher.suggest("c") is None
    searcher.on_trial_complete("a", {"val/accuracy": 0.1})
    searcher.on_trial_complete("b", error=True)
    assert told == {"trial_00000": 0.6, "trial_00001": 0.3, "trial_00002": None}


def test_trial_folders__are_those_that_began_in_their_order(tmp_path: Path) -> None:
    assert trial_folders(tmp_path / "trials") == []
    for number in (3, 0, 11):
        write_trial(tmp_path, f"trial_{number:05}", [])
    (tmp_path / "trials" / "trial_00001").mkdir()
    names = [trial.name for trial in trial_folders(tmp_path / "trials")]
    assert names == ["trial_00000", "trial_00003", "trial_00011"]


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("val/accuracy", [0.2, 0.6, 0.4], 0.6),
        ("val/landmark_mse", [0.2, 0.1, 0.4], 0.1),
        ("val/nme_interocular", [math.nan, 0.3, math.nan], 0.3),
        ("val/nme_interocular", [math.nan], None),
        ("val/accuracy", [], None),
    ],
)
def test_best_value__is_that_of_the_best_epoch(metric: str, values: list[float], best: float | None) -> None:
    assert best_value([{metric: value} for value in values], SCORES[metric]) == best


SCHEDULERS: list[dict[str, Any]] = [
    {"kind": "asha", "grace_epochs": 2, "reduction_factor": 2},
    {"kind": "median", "grace_epochs": 2, "min_trials": 3},
]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize(("metric", "sign"), [("val/accuracy", 1), ("val/landmark_mse", -1)])
def test_build_scheduler__knows_of_the_trials_that_ended_before(
    scheduler: dict[str, Any], metric: str, sign: int, tmp_path: Path
) -> None:
    settings = config(tmp_path, scheduler=scheduler, metric=metric)
    ended = []
    for number in range(4):
        trial = write_trial(tmp_path, f"trial_{number:05}", [])
        records = [{"epoch": epoch, metric: 10.0 + sign * (4 + number)} for epoch in range(1, EPOCHS + 1)]
        Path(trial.place, "metrics.jsonl").write_text(
            "".join(json.dumps(record) + "\n" for record in records)
        )
        ended.append(trial)
    for value, fate in ((1.0, TrialScheduler.STOP), (9.0, TrialScheduler.CONTINUE)):
        informed: Any = build_scheduler(settings, ended)
        new: Any = build_scheduler(settings, [])
        for epoch in (1, 2):
            result = {"epoch": epoch, metric: 10.0 + sign * value}
            trial_of_ray = Hashable(trial_id="new")
            if epoch == 1:
                informed.on_trial_add(None, trial_of_ray)
                new.on_trial_add(None, trial_of_ray)
            told = informed.on_trial_result(None, trial_of_ray, result)
            assert told == (fate if epoch == 2 else TrialScheduler.CONTINUE), "none is stopped before"
            if scheduler["kind"] == "asha":
                assert new.on_trial_result(None, trial_of_ray, result) == TrialScheduler.CONTINUE


class Hashable(SimpleNamespace):
    """A name that can be a key, as Ray's trials can."""

    def __hash__(self) -> int:
        return hash(self.trial_id)
