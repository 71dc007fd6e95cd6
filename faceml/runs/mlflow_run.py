"""MLflow run of a training."""

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
from faceml.runs.run_folder import RunFolder
from faceml.storage import write_text

EPOCH = "epoch"
"""Metric by which a resumed run knows the epochs that are logged already."""
ARTIFACTS_FOLDER = "mlartifacts"
MAX_PARAMS = 100
"""Number of parameters that MLflow accepts in one request."""

logger = logging.getLogger(__name__)


class MlflowRun:
    """Log a training to MLflow: its configuration, the metrics of each epoch, and files of the run folder.

    A training that is resumed in its run folder resumes the same MLflow run. MLflow cannot delete a point: an
    epoch that is trained again, because its checkpoint was lost, keeps its first values. While MLflow does
    not answer, training continues; the missing epochs are logged as soon as it answers again.

    Args:
        uri: Tracking server or database; artifacts of an SQLite database go to a folder beside its file.
        experiment: Name of the experiment, which is created if it does not exist.
        run_folder: Path or URI of the training's run folder, which also stores the id of the MLflow run.
        params: Resolved configuration by dotted key.
        log_model: Whether to upload the best model.

    Raises:
        ConfigError: MLflow does not answer, or the experiment was deleted.
    """

    def __init__(
        self, uri: str, experiment: str, run_folder: str | Path, params: Mapping[str, Any], log_model: bool
    ) -> None:
        # MLflow logs each table that it creates, urllib3 each attempt.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
        self._uri = uri
        self._experiment = experiment
        self._run_folder = run_folder
        self._folder = RunFolder(run_folder).path
        self._params = params
        self._log_model = log_model
        self._logged = set[int]()
        self._is_out = False
        with _translate_silence(uri):
            self._client = mlflow.tracking.MlflowClient(tracking_uri=uri)
            found = self._client.get_experiment_by_name(experiment)
        if found is not None and found.lifecycle_stage != "active":
            raise ConfigError(
                f"tracking.experiment: {experiment!r} was deleted in {uri}. Restore it or name another one."
            )

    def __enter__(self) -> Self:
        """Start a run, or resume the one whose id is in the run folder.

        Raises:
            ConfigError: MLflow does not answer.
        """
        with _translate_silence(self._uri):
            self.run_id = self._interrupted_run() or self._new_run()
            self._client.update_run(self.run_id, status="RUNNING")
            self._log_params()
            history = self._client.get_metric_history(self.run_id, EPOCH)
            self._logged = {point.step for point in history}
            self._client.log_artifact(self.run_id, str(self._folder / CONFIG_FILE))
        logger.info("MLflow: run %s of experiment %s in %s", self.run_id, self._experiment, self._uri)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            with catch_errors(Exception) as caught:
                interrupted = not isinstance(error, Exception)  # Ctrl-C or a signal
                self._client.set_terminated(self.run_id, "KILLED" if interrupted else "FAILED")
            self._log_outage(caught.error)

    def log_epochs(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Log the metrics of the epochs that are not logged yet."""
        with catch_errors(Exception) as caught:
            for record in records:
                if record["epoch"] not in self._logged:
                    self._log_metrics(record, step=record["epoch"])
                    self._logged.add(record["epoch"])
        self._log_outage(caught.error)

    def log_summary(self, summary: Mapping[str, Any]) -> None:
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
                "MLflow at %s does not answer (%s). The training continues; its run folder is complete.",
                self._uri,
                _cause(error, sys.exception()),
            )
        elif error is None and self._is_out:
            logger.info("MLflow answers again.")
        self._is_out = error is not None

    def _interrupted_run(self) -> str | None:
        """Return the id of the run in the run folder; None if it is unknown to this server and experiment."""
        file = self._folder / MLFLOW_FILE
        if not file.is_file():
            return None
        known = json.loads(file.read_text(encoding="utf-8"))
        if known["uri"] != self._uri or known["experiment"] != self._experiment:
            return None
        with suppress(MlflowException):
            if self._client.get_run(known["run_id"]).info.lifecycle_stage == "active":
                return str(known["run_id"])
        logger.warning("MLflow run %s was deleted; the training is logged to a new run.", known["run_id"])
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
            # By default MLflow would choose the current folder.
            beside = Path(self._uri.removeprefix(SQLITE)).parent / ARTIFACTS_FOLDER
            location = beside.as_uri() if self._uri.startswith(SQLITE) else None
            with suppress(MlflowException):  # another training may create it at the same moment
                return str(self._client.create_experiment(self._experiment, artifact_location=location))
            found = self._client.get_experiment_by_name(self._experiment)
        if found is None:
            raise MlflowException(f"the experiment {self._experiment!r} could not be created")
        return str(found.experiment_id)

    def _log_params(self) -> None:
        """Log the new parameters: MLflow does not change logged ones; config.yaml has the current values."""
        there = self._client.get_run(self.run_id).data.params
        new = [Param(name, _as_text(value)) for name, value in self._params.items() if name not in there]
        for start in range(0, len(new), MAX_PARAMS):
            self._client.log_batch(self.run_id, params=new[start : start + MAX_PARAMS])

    def _log_metrics(self, record: Mapping[str, Any], step: int) -> None:
        """Log the numbers of a record, without tables and missing values."""
        now_ms = int(time.time() * 1000)
        numbers = {name: value for name, value in record.items() if isinstance(value, int | float)}
        metrics = [Metric(name, float(value), now_ms, step) for name, value in numbers.items()]
        self._client.log_batch(self.run_id, metrics=metrics)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _cause(error: BaseException, handled: BaseException | None = None) -> str:
    """Return the first line of an error's root cause, which MLflow wraps several times.

    Args:
        error: Error raised by MLflow.
        handled: Error that was being handled before MLflow was called, which is unrelated.
    """
    while (earlier := error.__cause__ or error.__context__) is not None and earlier is not handled:
        error = earlier
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _translate_silence(uri: str) -> translate_errors[Exception]:
    """Raise `ConfigError` in place of any error of MLflow."""
    return translate_errors(
        Exception,
        lambda error: ConfigError(
            f"tracking.uri: MLflow at {uri} does not answer ({_cause(error)}). Start it, choose another "
            "tracking.uri, or train without tracking: --set tracking=null"
        ),
    )
