"""`faceml submit`: a job on a cluster that is reached over HTTP, its log followed to the end."""

import asyncio
import importlib
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import requests
from ray.exceptions import RayError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from faceml.config.base import Config
from faceml.config.config_error import ConfigError
from faceml.config.loading import apply_overrides, parse_config, read_mapping
from faceml.stopped import StoppedError

logger = logging.getLogger(__name__)

CONFIGS = {
    "synth": ("faceml.config.synth", "SynthConfig"),
    "extract": ("faceml.config.extract", "ExtractConfig"),
    "train": ("faceml.config.train", "TrainConfig"),
    "evaluate": ("faceml.config.evaluate", "EvaluateConfig"),
    "tune": ("faceml.config.tune", "TuneConfig"),
    "transfer": ("faceml.config.recognition", "RecognitionConfig"),
}
"""Of each job, the model of its configuration."""
STUDY_CONFIG = ("faceml.config.study", "StudyConfig")
"""That of a transfer with arms."""

POLL_INTERVAL_S = 1.0
ANSWER_WITHIN_S = 10.0
STOPPED_BY_HAND = 130
"""Exit status of a command that Ctrl-C ended, 128 + SIGINT."""
LOSSES = (requests.RequestException, ConnectionError, RuntimeError, RayError)
"""What Ray's client raises when a cluster is not there, or refuses."""
OTHER_ADDRESSES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Variables that Ray's client obeys instead of the address that it is given."""


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
        folder, file = self.working_dir.absolute(), self.config.absolute()
        if not file.is_relative_to(folder):
            raise ConfigError(
                f"--config {self.config}: is not uploaded, because it is not below --working-dir "
                f"{self.working_dir}. Move it there."
            )
        words = ["python", "-m", f"ray_jobs.{self.job}", "--config", file.relative_to(folder).as_posix()]
        return shlex.join(
            [*words, *(w for change in self.overrides for w in ("--set", change)), *self.options]
        )


def run(submission: Submission) -> int:
    """Submit a job, print its log until it ends, and return its exit status.

    Raises:
        ConfigError: A setting the job would refuse, a cluster that takes jobs from anybody.
        StoppedError: The cluster is not reached or lost, or the job was stopped or never began.
    """
    entrypoint = submission.entrypoint
    check_settings(submission)
    if not submission.address.startswith(("http://", "https://")):
        raise ConfigError(
            f"--address {submission.address}: must be that of the dashboard, such as http://127.0.0.1:8265"
        )
    if find_spec("aiohttp") is None:
        raise ConfigError("faceml submit: needs more of Ray: pip install 'faceml[cluster]'")
    runtime_env = read_mapping(submission.runtime_env, "--runtime-env") if submission.runtime_env else {}
    runtime_env["working_dir"] = str(submission.working_dir.absolute())
    with _LossInWords(submission.address):
        if submission.needs_token:
            refuse_open_cluster(submission.address)
        for variable in OTHER_ADDRESSES:
            os.environ.pop(variable, None)
        client = JobSubmissionClient(submission.address)
        job_id = client.submit_job(entrypoint=entrypoint, runtime_env=runtime_env)
        logger.info("%s runs on %s: %s", job_id, submission.address, entrypoint)
        if not submission.follow:
            print(job_id)  # noqa: T201 - for scripts
            return 0
        with _GoesOnWithoutUs(submission.address, job_id):
            return _exit_status(asyncio.run(follow(client, job_id)), job_id)


def check_settings(submission: Submission) -> None:
    """Refuse here what the job would refuse there, but for files and folders, which need not be here.

    Raises:
        ConfigError: One line for each mistake.
    """
    if submission.job not in CONFIGS:
        raise ConfigError(f"{submission.job}: is no job. These are: {', '.join(CONFIGS)}.")
    raw = apply_overrides(read_mapping(submission.config), submission.overrides)
    is_study = submission.job == "transfer" and "arms" in raw
    module, name = STUDY_CONFIG if is_study else CONFIGS[submission.job]
    model: type[Config] = getattr(importlib.import_module(module), name)
    parse_config(model, raw)


def refuse_open_cluster(address: str) -> None:
    """Refuse a cluster that answers without a token: whoever reaches it can run what they like there.

    Raises:
        ConfigError: It does.
    """
    answer = requests.get(f"{address.rstrip('/')}/api/jobs/", timeout=ANSWER_WITHIN_S)
    if answer.ok:
        raise ConfigError(
            f"--address {address}: takes jobs from anybody who reaches it. Start Ray there with "
            "RAY_AUTH_MODE=token, or, where nobody else reaches it, submit with --without-token."
        )


async def follow(client: JobSubmissionClient, job_id: str) -> JobDetails:
    """Print the log of a job while it grows, and return what became of the job."""
    from aiohttp import ClientError

    printed = 0
    while True:
        seen = 0
        with suppress(RuntimeError, ClientError):  # the connection is lost, which says nothing of the job
            async for text in client.tail_job_logs(job_id):
                new = text[max(0, printed - seen) :]
                seen += len(text)
                printed = max(printed, seen)
                print(new, end="", flush=True)  # noqa: T201 - it is what the job printed
        details = client.get_job_info(job_id)
        if details.status.is_terminal():
            return details
        await asyncio.sleep(POLL_INTERVAL_S)


def _exit_status(details: JobDetails, job_id: str) -> int:
    """Return a job's own exit status.

    Raises:
        StoppedError: It has none.
    """
    if details.status == JobStatus.SUCCEEDED:
        return 0
    if details.status == JobStatus.STOPPED:
        raise StoppedError(f"{job_id} was stopped. The same command goes on where it was.")
    if details.driver_exit_code is None or details.driver_exit_code < 0:
        raise StoppedError(f"{job_id} failed: {' '.join((details.message or 'no reason is known').split())}")
    return details.driver_exit_code


class _LossInWords:
    """Say in a line that a cluster is not reached, or no longer, or refuses."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, LOSSES) and not isinstance(error, StoppedError):
            said = str(error).strip().partition("\n")[0].rstrip(".")
            raise StoppedError(
                f"--address {self._address}: {said}. Is the cluster up, is its port forwarded (ray dashboard "
                "cluster.yaml), and is its token in RAY_AUTH_TOKEN or in ~/.ray/auth_token?"
            ) from error


class _GoesOnWithoutUs:
    """Say after Ctrl-C how to come back to the job, and how to stop it."""

    def __init__(self, address: str, job_id: str) -> None:
        self._said = (
            f"{job_id} goes on. To follow it: ray job logs --address {address} --follow {job_id}; "
            f"to stop it: ray job stop --address {address} {job_id}"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            logger.warning("%s", self._said)
            sys.exit(STOPPED_BY_HAND)
