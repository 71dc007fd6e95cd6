"""Runs in real MLflow: a database of one's own, and a server that dies and comes back."""

import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from faceml import __version__
from faceml.config.config_error import ConfigError
from faceml.config.loading import dump_config, parse_config
from faceml.config.train import TrainConfig
from faceml.runs.tracking import NoTracking, build_tracking

SPLIT = {"table": "/tables", "images": "/images"}
# MLflow's own server asks for more packages than the extra brings; its application is the same.
SERVER = """
import os, sys
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["_MLFLOW_SERVER_FILE_STORE"] = f"sqlite:///{sys.argv[1]}/server.db"
os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = f"{sys.argv[1]}/artifacts"
from mlflow.server import app
from werkzeug.serving import make_server
make_server("127.0.0.1", int(sys.argv[2]), app, threaded=True).serve_forever()
"""


def config_of(uri: str, folder: Path, **changes: Any) -> TrainConfig:
    """Also leave the files of a run folder that MLflow gets."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.yaml", "summary.json", "report.html", "best_model.pt"):
        (folder / name).write_text(f"{name} of {folder.name}")
    raw = {
        "data": {"train": SPLIT, "val": SPLIT, "labels": ["neutral", "happy"]},
        "run": {"folder": str(folder)},
        "tracking": {"kind": "mlflow", "uri": uri, "experiment": "faces"} | changes,
    }
    return parse_config(TrainConfig, raw)


def records(*epochs: int) -> list[dict[str, Any]]:
    return [
        {"epoch": epoch, "train/loss": 1 / epoch, "val/nme_interocular": None, "val/confusion_matrix": [[1]]}
        for epoch in epochs
    ]


def summary_of(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"epochs": len(told), "best": told[-1], "last": told[-1], "wall_s": 12.5}


def client_of(uri: str) -> Any:
    # Late: MLflow reads the environment that faceml sets when it is imported.
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


def run_in(uri: str) -> Any:
    """Return the only run of the experiment, asked of MLflow afresh."""
    client = client_of(uri)
    experiment = client.get_experiment_by_name("faces")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def points(uri: str, name: str) -> list[tuple[int, float]]:
    history = client_of(uri).get_metric_history(run_in(uri).info.run_id, name)
    return [(point.step, point.value) for point in history]


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/new/mlflow.db"


@pytest.fixture
def port() -> int:
    """One that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    def __init__(self, folder: Path, port: int) -> None:
        self._port = port
        self.uri = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-c", SERVER, str(folder), str(port)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline
            assert self._process.poll() is None
            time.sleep(0.1)

    def _answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self._port)) == 0

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def server(tmp_path: Path, port: int) -> Iterator[Server]:
    started = Server(tmp_path, port)
    yield started
    started.kill()


def test_build_tracking__of_null_logs_nothing() -> None:
    raw = {"data": {"train": SPLIT, "val": SPLIT}, "run": {"folder": "/run"}}
    with build_tracking(parse_config(TrainConfig, raw)) as silent:
        assert isinstance(silent, NoTracking)


def test_build_tracking__a_missing_package_is_one_line(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceml.runs.tracking.find_spec", lambda name: None)
    with pytest.raises(ConfigError) as refused:
        build_tracking(config_of(database, tmp_path))
    told = "tracking.kind: mlflow needs the package mlflow: pip install 'faceml[mlflow]'"
    assert str(refused.value) == told


def test_mlflow_run__has_configuration_metrics_summary_and_files(database: str, tmp_path: Path) -> None:
    config, told = config_of(database, tmp_path / "run"), records(1, 2, 3)
    with build_tracking(config) as mlflow:
        mlflow.log_epochs(told[:1])
        assert run_in(database).info.status == "RUNNING"
        mlflow.log_epochs(told)
        mlflow.log_summary(summary_of(told))
    run = run_in(database)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "run")
    assert run.data.tags["faceml.version"] == __version__
    assert run.data.tags["faceml.run_folder"] == str(tmp_path / "run")
    assert run.data.params["optimizer.learning_rate"] == "0.0003"
    assert run.data.params["weighting.kind"] == "uncertainty"
    assert json.loads(run.data.params["data.labels"]) == ["neutral", "happy"]
    assert run.data.params["training.max_grad_norm"] == "null"
    assert points(database, "train/loss") == [(1, 1.0), (2, 1 / 2), (3, 1 / 3)]
    assert points(database, "val/nme_interocular") == points(database, "val/confusion_matrix") == []
    assert points(database, "best/train/loss") == [(3, 1 / 3)]
    assert points(database, "wall_s") == [(3, 12.5)]
    client = client_of(database)
    files = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert files == {"config.yaml", "summary.json", "report.html"}
    kept = tmp_path / "new" / "mlartifacts" / run.info.run_id / "artifacts" / "summary.json"
    assert kept.read_text() == "summary.json of run"


def test_mlflow_run__the_model_is_uploaded_if_asked(database: str, tmp_path: Path) -> None:
    told = records(1)
    with build_tracking(config_of(database, tmp_path / "run", log_model=True)) as mlflow:
        mlflow.log_summary(summary_of(told))
    (model,) = (tmp_path / "new" / "mlartifacts").rglob("best_model.pt")
    assert model.read_text() == "best_model.pt of run"


def test_mlflow_run__a_resumed_training_goes_on_in_the_same_run(database: str, tmp_path: Path) -> None:
    config = config_of(database, tmp_path / "run")

    def interrupt() -> None:
        with build_tracking(config) as mlflow:
            mlflow.log_epochs(records(1, 2))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert run_in(database).info.status == "KILLED"
    with build_tracking(config) as mlflow:
        assert run_in(database).info.status == "RUNNING"
        mlflow.log_epochs(records(1, 2))  # the second epoch was trained again
        mlflow.log_epochs(records(1, 2, 3))
        mlflow.log_summary(summary_of(records(1, 2, 3)))
    assert [step for step, _ in points(database, "train/loss")] == [1, 2, 3]
    assert run_in(database).info.status == "FINISHED"


def test_mlflow_run__of_a_deleted_run_starts_another(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(database, tmp_path / "run")
    with build_tracking(config) as mlflow:
        mlflow.log_epochs(records(1))
    first = run_in(database).info.run_id
    client_of(database).delete_run(first)
    with build_tracking(config) as mlflow:
        mlflow.log_epochs(records(1, 2))
    assert run_in(database).info.run_id != first
    assert [step for step, _ in points(database, "train/loss")] == [1, 2], "the new run has all of it"
    assert f"MLflow run {first} was deleted" in caplog.text


def test_mlflow_run__a_deleted_experiment_is_refused(database: str, tmp_path: Path) -> None:
    config = config_of(database, tmp_path / "run")
    with build_tracking(config):
        pass
    client = client_of(database)
    client.delete_experiment(run_in(database).info.experiment_id)
    with pytest.raises(ConfigError, match=r"tracking\.experiment: 'faces' was deleted"):
        build_tracking(config)


def test_mlflow_run__a_dead_server_is_refused_at_once_on_one_line(port: int, tmp_path: Path) -> None:
    started_s = time.monotonic()
    with pytest.raises(ConfigError) as refused:
        build_tracking(config_of(f"http://127.0.0.1:{port}", tmp_path))
    assert time.monotonic() - started_s < 30
    told = str(refused.value)
    assert told.startswith(f"tracking.uri: MLflow at http://127.0.0.1:{port} does not answer (")
    assert "Connection refused" in told
    assert told.endswith("or train without tracking: --set tracking=null")
    assert "\n" not in told


def test_mlflow_run__what_is_no_database_is_refused_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("bread and butter, and all that goes with it\n" * 100)
    with pytest.raises(
        ConfigError, match=r"^tracking\.uri: .*notes\.db does not answer \(file is not a datab"
    ):
        build_tracking(config_of(f"sqlite:///{tmp_path}/notes.db", tmp_path / "run"))


def test_mlflow_run__a_server_that_dies_costs_nothing_and_has_all_epochs_when_it_is_back(
    server: Server, port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with build_tracking(config_of(server.uri, tmp_path / "run")) as mlflow:
        mlflow.log_epochs(records(1))
        server.kill()
        mlflow.log_epochs(records(1, 2))
        mlflow.log_epochs(records(1, 2, 3))
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warnings) == 1, "warned once"
        assert f"MLflow at {server.uri} does not answer" in warnings[0]
        again = Server(tmp_path, port)
        mlflow.log_epochs(records(1, 2, 3, 4))
        assert "MLflow answers again." in caplog.messages
        assert [step for step, _ in points(server.uri, "train/loss")] == [1, 2, 3, 4]
        again.kill()
        mlflow.log_summary(summary_of(records(1, 2, 3, 4)))
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 2


def test_mlflow_run__prints_nothing_and_sends_no_usage_statistics(database: str, tmp_path: Path) -> None:
    config = config_of(database, tmp_path / "run")
    (tmp_path / "train.yaml").write_text(dump_config(config))
    program = (
        "import logging, sys; logging.basicConfig(level=logging.INFO, format='%(message)s')\n"
        "from pathlib import Path; from faceml.config.loading import dump_config, parse_config\n"
        "from faceml.config.train import TrainConfig; from faceml.runs import build_tracking\n"
        "import yaml; raw = yaml.safe_load(Path(sys.argv[1]).read_text())\n"
        "assert 'mlflow' not in sys.modules\n"
        "with build_tracking(parse_config(TrainConfig, raw)) as run:\n"
        "    run.log_summary({'epochs': 1, 'best': {'epoch': 1}, 'wall_s': 2.0})\n"
        "from mlflow.environment_variables import MLFLOW_DISABLE_TELEMETRY\n"
        "from mlflow.telemetry import get_telemetry_client\n"
        "assert MLFLOW_DISABLE_TELEMETRY.get() and get_telemetry_client() is None\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "train.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    run_id = run_in(database).info.run_id
    told = f"MLflow: run {run_id} of experiment faces in {database}\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "", told)
