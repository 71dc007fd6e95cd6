"""A training as a run of an MLflow experiment."""

import json
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import mlflow.tracking
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from faceml import __version__
from faceml.config import SQLITE, ConfigError
from faceml.errors import catch_errors, translate_errors
from faceml.runs.files import BEST_MODEL_FILE, CONFIG_FILE, MLFLOW_FILE, REPORT_FILE, SUMMARY_FILE
from faceml.runs.tracker import Record
from faceml.runs.working_copy import WorkingCopy
from faceml.storage import write_text

EPOCH = "epoch"
"""The metric that says which epochs a run has been told of."""
ARTIFACTS_FOLDER = "mlartifacts"
MOST_PARAMS = 100
"""That MLflow takes at once."""

logger = logging.getLogger(__name__)


class MlflowRun:
    """Tell MLflow of a training: its configuration, the metrics of each epoch, the files of the run folder.

    A training that goes on in its run folder goes on in the same run. MLflow cannot take a point back: an
    epoch that is trained again, because its checkpoint was lost, keeps the point that it had. When MLflow
    stops answering, the training goes on without, and what it missed is made up as soon as it answers.

    Args:
        uri: Of a server or a database; in that of an SQLite file, artifacts go to a folder beside it.
        experiment: Its name; it is made if it is not there.
        run_folder: Place of the training's results, a path or URI; it keeps the run's id too.
        params: The resolved configuration, by dotted keys.
        log_model: Whether the best model is among the artifacts.

    Raises:
        ConfigError: MLflow does not answer, or the experiment was deleted.
    """

    def __init__(
        self, uri: str, experiment: str, run_folder: str | Path, params: Mapping[str, Any], log_model: bool
    ) -> None:
        # It tells of each table it makes, urllib3 of each try.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
        self._uri = uri
        self._experiment = experiment
        self._run_folder = run_folder
        self._folder = WorkingCopy(run_folder).path
        self._params = params
        self._log_model = log_model
        self._told = set[int]()
        self._is_out = False
        with _translate_silence(uri):
            self._client = mlflow.tracking.MlflowClient(tracking_uri=uri)
            found = self._client.get_experiment_by_name(experiment)
        if found is not None and found.lifecycle_stage != "active":
            raise ConfigError(
                f"tracking.experiment: {experiment!r} was deleted in {uri}. Restore it or name another one."
            )

    def __enter__(self) -> Self:
        """Begin a run, or go on with the one that the run folder names.

        Raises:
            ConfigError: MLflow does not answer.
        """
        with _translate_silence(self._uri):
            self.run_id = self._interrupted_run() or self._new_run()
            self._client.update_run(self.run_id, status="RUNNING")
            self._log_params()
            history = self._client.get_metric_history(self.run_id, EPOCH)
            self._told = {point.step for point in history}
            self._client.log_artifact(self.run_id, str(self._folder / CONFIG_FILE))
        logger.info("MLflow: run %s of experiment %s in %s", self.run_id, self._experiment, self._uri)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            with catch_errors(Exception) as caught:
                interrupted = isinstance(error, KeyboardInterrupt)
                self._client.set_terminated(self.run_id, "KILLED" if interrupted else "FAILED")
            self._log_outage(caught.error)

    def tell(self, records: Sequence[Record]) -> None:
        """Log the metrics of those epochs that MLflow does not have yet."""
        with catch_errors(Exception) as caught:
            for record in records:
                if record["epoch"] not in self._told:
                    self._log_metrics(record, step=record["epoch"])
                    self._told.add(record["epoch"])
        self._log_outage(caught.error)

    def finish(self, summary: Record) -> None:
        """Log the best epoch's metrics as `best/…`, upload the results, and end the run."""
        with catch_errors(Exception) as caught:
            best = {f"best/{name}": value for name, value in summary["best"].items()}
            self._log_metrics(best | {"wall_s": summary["wall_s"]}, step=summary["epochs"])
            model = (BEST_MODEL_FILE,) if self._log_model else ()
            for name in (SUMMARY_FILE, REPORT_FILE, *model):
                self._client.log_artifact(self.run_id, str(self._folder / name))
            self._client.set_terminated(self.run_id, "FINISHED")
        self._log_outage(caught.error)

    def _log_outage(self, error: Exception | None) -> None:
        """Log the first error of an outage, and its end; training continues in either case."""
        if error is not None and not self._is_out:
            logger.warning(
                "MLflow at %s does not answer (%s). The training goes on; the run folder has all of it.",
                self._uri,
                _cause(error, sys.exception()),
            )
        elif error is None and self._is_out:
            logger.info("MLflow answers again.")
        self._is_out = error is not None

    def _interrupted_run(self) -> str | None:
        """Return the id of the run that the run folder names, None if there is none at this place."""
        file = self._folder / MLFLOW_FILE
        if not file.is_file():
            return None
        known = json.loads(file.read_text(encoding="utf-8"))
        if known["uri"] != self._uri or known["experiment"] != self._experiment:
            return None
        with suppress(MlflowException):
            if self._client.get_run(known["run_id"]).info.lifecycle_stage == "active":
                return str(known["run_id"])
        logger.warning("MLflow has run %s no longer; the training goes on in a new one.", known["run_id"])
        return None

    def _new_run(self) -> str:
        tags = {
            "mlflow.source.name": "faceml train",
            "faceml.version": __version__,
            "faceml.run_folder": str(self._run_folder),
        }
        run = self._client.create_run(self._experiment_id(), run_name=self._folder.name, tags=tags)
        known = {"uri": self._uri, "experiment": self._experiment, "run_id": run.info.run_id}
        write_text(self._folder / MLFLOW_FILE, json.dumps(known, indent=2) + "\n")
        return str(run.info.run_id)

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        if found is None:
            # By itself MLflow would choose the folder that the command is given in.
            beside = Path(self._uri.removeprefix(SQLITE)).parent / ARTIFACTS_FOLDER
            location = beside.as_uri() if self._uri.startswith(SQLITE) else None
            with suppress(MlflowException):  # another training may make it at the same moment
                return str(self._client.create_experiment(self._experiment, artifact_location=location))
            found = self._client.get_experiment_by_name(self._experiment)
        if found is None:
            raise MlflowException(f"the experiment {self._experiment!r} could not be made")
        return str(found.experiment_id)

    def _log_params(self) -> None:
        """Log those that the run does not have: MLflow lets none change, config.yaml has the latest."""
        there = self._client.get_run(self.run_id).data.params
        new = [Param(name, _as_text(value)) for name, value in self._params.items() if name not in there]
        for start in range(0, len(new), MOST_PARAMS):
            self._client.log_batch(self.run_id, params=new[start : start + MOST_PARAMS])

    def _log_metrics(self, record: Record, step: int) -> None:
        """Log the numbers of a record, leaving out tables and what has no value."""
        now_ms = int(time.time() * 1000)
        numbers = {name: value for name, value in record.items() if isinstance(value, int | float)}
        metrics = [Metric(name, float(value), now_ms, step) for name, value in numbers.items()]
        self._client.log_batch(self.run_id, metrics=metrics)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _cause(error: BaseException, handled: BaseException | None = None) -> str:
    """Return the first line of what an error began with; MLflow wraps it several times.

    Args:
        error: Out of MLflow.
        handled: Was there before MLflow was called, and has nothing to do with it.
    """
    while (earlier := error.__cause__ or error.__context__) is not None and earlier is not handled:
        error = earlier
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _translate_silence(uri: str) -> translate_errors[Exception]:
    """Raise `ConfigError` in place of any error of MLflow."""
    return translate_errors(
        Exception,
        lambda error: ConfigError(
            f"tracking.uri: MLflow at {uri} does not answer ({_cause(error)}). Start it, name another place, "
            "or train without: --set tracking=null"
        ),
    )
