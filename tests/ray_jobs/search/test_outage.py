"""Outages that end a search without a failed trial."""

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayTaskError
from rich.console import Console

from faceml.config.config_error import ConfigError
from faceml.config.tune import TuneConfig
from faceml.errors import StoppedError, UnreachableError
from faceml.reporting.search.board import TrialBoard
from faceml.runs.trial_folder import Outcome, TrialFolder
from faceml.storage import stores
from faceml.storage.locations import place_below
from ray_jobs.search.callbacks import TrialCallbacks
from ray_jobs.search.outage import StopAtOutage, raise_outage
from ray_jobs.search.searcher import PlanSearcher, list_plan
from tests.flaky_store import FlakyStore
from tests.ray_jobs.search.test_tuning_kills import search
from tests.reporting.searches import SCORES


def search_in(place: str) -> TuneConfig:
    return search(Path("/faces"), Path("/tables"), place, trials=2)


def test_stop_at_outage__keeps_the_first_of_what_a_store_says() -> None:
    outage = StopAtOutage()
    outage.raise_caught()
    with pytest.raises(ValueError, match="a mistake"), outage:
        raise ValueError("a mistake")
    assert not outage.stop_all()
    for error in (UnreachableError("gone"), ConfigError("denied")):
        with outage:
            raise error
    assert outage.stop_all()
    assert not outage("trial", {})
    with pytest.raises(StoppedError, match=r"^gone$"):
        outage.raise_caught()


def test_raise_outage__only_of_what_a_trial_died_of() -> None:
    for error in (None, MemoryError(), RayTaskError("run_trial", "", ValueError("no"))):
        raise_outage(error)
    with pytest.raises(UnreachableError, match="gone"):
        raise_outage(RayTaskError("run_trial", "", UnreachableError("gone")))


def test_trial_callbacks__a_trial_that_ends_in_an_outage_is_not_over(
    s3_server: str, s3_uri: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "S3_MAX_ATTEMPTS", 1)
    outage = StopAtOutage()
    board = TrialBoard(2, 8, SCORES["val/accuracy"], Console(file=io.StringIO()))
    trial: Any = SimpleNamespace(
        config={"trial": "trial_00000", "settings": {"seed": 0}}, last_result={}, num_failures=1
    )
    trial.pickled_error_file = trial.error_file = None
    there = TrialFolder(place_below(s3_uri(), "trials", "trial_00000"))
    with FlakyStore(s3_server, lambda method, path: "drop") as store:
        config = search_in(s3_uri(store.endpoint))
        watch = TrialCallbacks(board, config, outage)
        watch.on_trial_start(0, [], trial)
        searcher = PlanSearcher(list_plan([{"seed": 0}, {"seed": 1}], {}), config, outage)
        assert searcher.suggest("a") is None
        watch.on_trial_complete(0, [], trial)
        watch.on_trial_error(0, [], trial)
    assert there.outcome is None
    with pytest.raises(StoppedError, match=r"^s3://faces/.*trial_00000.*: cannot be reached"):
        outage.raise_caught()
    TrialCallbacks(board, search_in(s3_uri()), outage).on_trial_complete(0, [], trial)
    assert there.outcome == Outcome()
