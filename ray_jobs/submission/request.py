"""What is submitted to a cluster, and what is found wrong with it before anything is uploaded."""

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
    parse_config,
    read_mapping,
    refuse_outputs_below,
)
from faceml.errors import flatten_message, translate_errors
from ray_jobs.cluster import read_upload_excludes
from ray_jobs.jobs import JOBS, find_job


@dataclass(frozen=True)
class Submission:
    """A job and where it goes.

    Attributes:
        job: A module of `ray_jobs`.
        address: Of the cluster's dashboard, such as `http://127.0.0.1:8265`.
        config: YAML file of the job, below `working_dir`.
        overrides: `dotted.key=value` each.
        options: What else the job's command takes, such as `--retrain`.
        working_dir: Is uploaded without what `.gitignore` and `.rayignore` name, and is the job's folder.
        runtime_env: What Ray prepares for the job beside that, such as packages to install.
        needs_token: Whether a cluster that takes jobs from anybody is refused.
        follow: Whether to wait for the end.
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
        """The command that the cluster runs in the uploaded folder.

        Raises:
            ConfigError: The configuration is not uploaded.
        """
        folder, file = (_absolute(path) for path in (self.working_dir, self.config))
        if not file.is_relative_to(folder):
            raise ConfigError(
                f"--config {self.config}: is not uploaded, because it is not below --working-dir "
                f"{self.working_dir}. Move it there."
            )
        if _is_left_out(file, folder):
            raise ConfigError(
                f"--config {self.config}: is not uploaded, because .gitignore or .rayignore name it. Move it "
                "elsewhere, such as to configs/."
            )
        words = ["python", "-m", f"ray_jobs.{self.job}", "--config", file.relative_to(folder).as_posix()]
        return shlex.join(
            [*words, *(w for change in self.overrides for w in ("--set", change)), *self.options]
        )


def check_settings(submission: Submission) -> None:
    """Refuse here what the job would refuse there, but for files and folders, which need not be here.

    So are outputs below the uploaded folder, which is thrown away: those whose paths are relative.

    Raises:
        ConfigError: One line for each mistake.
    """
    if "--resume" in submission.options:
        raise ConfigError("--resume: submit the job with the --config that it had; it goes on where it was.")
    submittable = [name for name, job in JOBS.items() if job.can_be_submitted]
    if submission.job not in submittable:
        raise ConfigError(f"{submission.job}: is no job. These are: {', '.join(submittable)}.")
    raw = apply_overrides(read_mapping(submission.config), submission.overrides)
    with tempfile.TemporaryDirectory() as uploaded, chdir(uploaded):
        refuse_outputs_below(parse_config(find_job(submission.job, raw).model, raw), Path.cwd())


def read_runtime_env(file: Path | None) -> dict[str, Any]:
    """Read what Ray prepares for a job.

    Raises:
        ConfigError: Ray does not understand it.
    """
    plain = read_mapping(file, "--runtime-env") if file else {}
    with translate_errors(
        (TypeError, ValueError),
        lambda error: ConfigError(f"--runtime-env {file}: {flatten_message(error)}"),
    ):
        RuntimeEnv(**plain)
    return plain


def _is_left_out(file: Path, folder: Path) -> bool:
    """Say whether Ray does not upload a file that lies below the folder, or a folder that it lies in."""
    way = [file, *(parent for parent in file.parents if parent.is_relative_to(folder) and parent != folder)]
    rules = [(path, is_excluded) for path in (folder, *way[1:]) for is_excluded in read_upload_excludes(path)]
    return any(is_excluded(each) for path, is_excluded in rules for each in way if each.is_relative_to(path))


def _absolute(path: Path) -> Path:
    """Return a path without `..`, its links not followed: what is uploaded has the links' names."""
    return Path(os.path.abspath(path))  # noqa: PTH100
