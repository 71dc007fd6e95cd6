"""Submission of a job: its settings, and their checks before anything is uploaded."""

import os
import shlex
import tempfile
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.runtime_env import RuntimeEnv

from faceml.config import (
    ConfigError,
    apply_overrides,
    mask_credentials,
    parse_config,
    read_mapping,
    refuse_outputs_below,
)
from faceml.errors import flatten_message, translate_errors
from ray_jobs.cluster import read_upload_excludes
from ray_jobs.jobs import JOBS, find_job


@dataclass(frozen=True)
class Submission:
    """A job to submit, and the cluster that runs it.

    Attributes:
        job: Name of the job, a module of `ray_jobs`.
        address: URL of the cluster's dashboard, such as `http://127.0.0.1:8265`.
        config: YAML file of the job, below `working_dir`.
        overrides: Overrides, `dotted.key=value` each.
        options: Further options of the job's command, such as `--retrain`.
        working_dir: Working directory of the job, uploaded except what `.gitignore` and `.rayignore` exclude.
        runtime_env: YAML file of the rest of Ray's runtime environment, such as packages to install.
        needs_token: If True, a cluster without authentication is refused.
        follow: If True, the log is followed to the end of the job.
    """

    job: str
    address: str
    config: Path
    overrides: Sequence[str] = ()
    options: Sequence[str] = ()
    working_dir: Path = Path()
    runtime_env: Path | None = None
    needs_token: bool = True
    follow: bool = True

    @property
    def entrypoint(self) -> str:
        """Command that the cluster runs in the uploaded working directory.

        Raises:
            ConfigError: The configuration file would not be uploaded.
        """
        folder, file = (_absolute(path) for path in (self.working_dir, self.config))
        if not file.is_relative_to(folder):
            raise ConfigError(
                f"--config {self.config}: is not uploaded, because it is not below --working-dir "
                f"{self.working_dir}. Move it there."
            )
        if _is_left_out(file, folder):
            raise ConfigError(
                f"--config {self.config}: is not uploaded, because .gitignore or .rayignore exclude it. Move "
                "it elsewhere, such as to configs/."
            )
        words = ["python", "-m", f"ray_jobs.{self.job}", "--config", file.relative_to(folder).as_posix()]
        return shlex.join(
            [*words, *(w for change in self.overrides for w in ("--set", change)), *self.options]
        )


def check_settings(submission: Submission) -> None:
    """Refuse invalid settings before the submission, without a check of files that only the cluster has.

    Relative output paths are refused too: they would be below the uploaded folder, which Ray deletes.

    Raises:
        ConfigError: A setting is wrong; has a line for each.
    """
    if "--resume" in submission.options:
        raise ConfigError(
            "--resume: omit it and submit the job with its --config; it resumes from its last checkpoint."
        )
    submittable = [name for name, job in JOBS.items() if job.can_be_submitted]
    if submission.job not in submittable:
        raise ConfigError(f"{submission.job}: is no job. Choose one of {', '.join(submittable)}.")
    shown = [submission.address, *submission.options]  # in logs, and on the dashboard
    if any(mask_credentials(word) != word for word in shown):
        raise ConfigError(
            f"{mask_credentials(' '.join(shown))}: a URI must not contain credentials, because the job's "
            "command is logged. Set them in the environment; the cluster's token is in RAY_AUTH_TOKEN."
        )
    raw = apply_overrides(read_mapping(submission.config), submission.overrides)
    with tempfile.TemporaryDirectory() as uploaded, chdir(uploaded):
        refuse_outputs_below(parse_config(find_job(submission.job, raw).model, raw), Path.cwd())


def read_runtime_env(file: Path | None) -> dict[str, Any]:
    """Read Ray's runtime environment of a job; empty without a file.

    Raises:
        ConfigError: The file is no valid runtime environment.
    """
    plain = read_mapping(file, "--runtime-env") if file else {}
    with translate_errors(
        (TypeError, ValueError),
        lambda error: ConfigError(f"--runtime-env {file}: {flatten_message(error)}"),
    ):
        RuntimeEnv(**plain)
    return plain


def _is_left_out(file: Path, folder: Path) -> bool:
    """Return whether Ray excludes a file below the folder, or one of its parent folders, from the upload."""
    way = [file, *(parent for parent in file.parents if parent.is_relative_to(folder) and parent != folder)]
    rules = [(path, is_excluded) for path in (folder, *way[1:]) for is_excluded in read_upload_excludes(path)]
    return any(is_excluded(each) for path, is_excluded in rules for each in way if each.is_relative_to(path))


def _absolute(path: Path) -> Path:
    """Return an absolute path without `..`; links, which are uploaded by name, are not resolved."""
    return Path(os.path.abspath(path))  # noqa: PTH100
