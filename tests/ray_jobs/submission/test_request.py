"""Checks of a submission before anything is uploaded."""

from pathlib import Path

import pytest

from faceml.config.config_error import ConfigError
from ray_jobs.submission.request import Submission, check_settings, read_runtime_env

ADDRESS = "http://127.0.0.1:8265"
CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.mark.parametrize(
    ("job", "config", "overrides", "told"),
    [
        ("synth", "synth", ["output.root=faces"], "output.root = 'faces': lies in the uploaded folder"),
        ("evaluate", "evaluate", ["run.folder=/mnt/run"], None),
        ("evaluate", "evaluate", ["run.folder=runs/e"], "run.folder = 'runs/e': lies in the uploaded folder"),
        ("export", "export", ["run.folder=runs/e"], "run.folder = 'runs/e': lies in the uploaded folder"),
        (
            "extract",
            "extract_landmarks",
            ["output.table=s3://faces/table", "run.folder=runs/table_run"],
            "run.folder = 'runs/table_run': lies in the uploaded folder",
        ),
        ("extract", "extract_landmarks", ["output.table=s3://faces/table"], None),
        ("extract", "extract_landmarks", ["output.table=/mnt/table"], None),
        ("tune", "tune_multitask", ["run.folder=/mnt/run"], None),
        ("tune", "tune_multitask", ["run.folder=s3://faces/run"], None),
        ("tune", "tune_multitask", ["run.folder=runs/t"], "run.folder = 'runs/t': lies in the uploaded"),
        ("transfer", "transfer_study", ["run.folder=s3://faces/run"], None),
        ("transfer", "transfer_study", ["run.folder=runs/s"], "run.folder = 'runs/s': lies in the uploaded"),
        ("sing", "synth", [], "sing: is no job. Choose one of synth, extract,"),
    ],
)
def test_check_settings__refuses_what_would_be_thrown_away(
    job: str, config: str, overrides: list[str], told: str | None
) -> None:
    submission = Submission(job, ADDRESS, CONFIGS / f"{config}.yaml", overrides)
    if told is None:
        check_settings(submission)
        return
    with pytest.raises(ConfigError) as refused:
        check_settings(submission)
    assert str(refused.value).startswith(told)


def test_check_settings__a_run_folder_is_not_resumed_without_its_configuration() -> None:
    submission = Submission("train", ADDRESS, CONFIGS / "multitask_affectnet.yaml", options=["--resume", "r"])
    with pytest.raises(ConfigError, match=r"^--resume: omit it and submit the job with its --config"):
        check_settings(submission)


@pytest.mark.parametrize(
    ("address", "options"),
    [("http://me:hunter2@127.0.0.1:8265", []), (ADDRESS, ["--table", "gs://bucket/t?token=hunter2"])],
)
def test_check_settings__credentials_are_refused_and_not_shown(address: str, options: list[str]) -> None:
    submission = Submission("predict", address, CONFIGS / "predict.yaml", options=options)
    with pytest.raises(ConfigError, match="a URI must not contain credentials") as refused:
        check_settings(submission)
    assert "hunter2" not in str(refused.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to be uploaded, with configurations in places that are and that are not."""
    for place in ("configs/a.yaml", "runs/first/config.yaml", "mine/secret/b.yaml", "mine/c.yaml"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    (tmp_path / ".gitignore").write_text("runs/\n")
    (tmp_path / "mine" / ".rayignore").write_text("secret\n")
    return tmp_path


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("configs/a.yaml", None),
        ("mine/c.yaml", None),
        ("mine/../configs/a.yaml", None),
        ("runs/first/config.yaml", "because .gitignore or .rayignore exclude it"),
        ("mine/secret/b.yaml", "because .gitignore or .rayignore exclude it"),
        ("../other.yaml", "because it is not below --working-dir"),
    ],
)
def test_entrypoint__needs_a_configuration_that_is_uploaded(
    config: str, told: str | None, folder: Path
) -> None:
    submission = Submission("train", ADDRESS, folder / config, ["seed=1"], ["--x y"], folder)
    if told is None:
        name = "mine/c.yaml" if "c.yaml" in config else "configs/a.yaml"
        expected = f"python -m ray_jobs.train --config {name} --set seed=1 '--x y'"
        assert submission.entrypoint == expected
        return
    with pytest.raises(ConfigError, match=told):
        _ = submission.entrypoint


@pytest.mark.parametrize("text", ["pip: 3", "working_dir: 5", "conda: {a: 1}\npip: [b]"])
def test_read_runtime_env__what_ray_does_not_understand_is_told_on_one_line(
    text: str, tmp_path: Path
) -> None:
    (tmp_path / "env.yaml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_runtime_env(tmp_path / "env.yaml")
    assert str(refused.value).startswith(f"--runtime-env {tmp_path / 'env.yaml'}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ([], None),
        (["data.root=/mnt/photos", "output.table=/mnt/predictions"], None),
        (
            ["data.root=/mnt/photos", "output.table=predictions"],
            r"^output\.table = 'predictions': lies in the",
        ),
        (["output.file=said.parquet"], r"^output\.file = 'said\.parquet': lies in the uploaded folder"),
    ],
)
def test_check_settings__of_predictions_refuses_results_in_the_uploaded_folder(
    overrides: list[str], told: str | None
) -> None:
    submission = Submission("predict", ADDRESS, CONFIGS / "predict.yaml", overrides)
    if told is None:
        check_settings(submission)
        return
    with pytest.raises(ConfigError, match=told):
        check_settings(submission)
