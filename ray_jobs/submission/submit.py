"""`faceml submit`: a job on a cluster that is reached over HTTP, its log followed to the end."""

import asyncio
import logging
import os
import sys
from http import HTTPStatus
from importlib.util import find_spec
from types import TracebackType
from typing import Self

import requests
from ray.job_submission import JobDetails, JobStatus

from faceml.config import ConfigError
from faceml.storage import StoppedError
from ray_jobs.cluster import connect_job_client, quieten_upload
from ray_jobs.submission.log import ANSWER_WITHIN_S, LOSSES, FollowedLog
from ray_jobs.submission.request import Submission, check_settings, read_runtime_env

logger = logging.getLogger(__name__)

STOPPED_BY_HAND = 130
"""Exit status of a command that Ctrl-C ended, 128 + SIGINT."""
OTHER_ADDRESSES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Variables that Ray's client obeys instead of the address that it is given."""


def run(submission: Submission) -> int:
    """Submit a job, print its log until it ends, and return its exit status.

    Raises:
        ConfigError: A setting the job would refuse, a cluster that takes jobs from anybody.
        StoppedError: The cluster is not reached or lost, or the job was stopped or never began.
    """
    quieten_upload()
    entrypoint = submission.entrypoint
    check_settings(submission)
    if not submission.address.startswith(("http://", "https://")):
        raise ConfigError(
            f"--address {submission.address}: must be that of the dashboard, such as http://127.0.0.1:8265"
        )
    if find_spec("aiohttp") is None:
        raise ConfigError("faceml submit: needs more of Ray: pip install 'faceml[cluster]'")
    runtime_env = read_runtime_env(submission.runtime_env)
    runtime_env["working_dir"] = str(submission.working_dir.absolute())
    with _LossInWords(submission.address):
        if submission.needs_token:
            refuse_open_cluster(submission.address)
        for variable in OTHER_ADDRESSES:
            os.environ.pop(variable, None)
        client = connect_job_client(submission.address, ANSWER_WITHIN_S)
        job_id = client.submit_job(entrypoint=entrypoint, runtime_env=runtime_env)
        logger.info("%s runs on %s: %s", job_id, submission.address, entrypoint)
        if not submission.follow:
            print(job_id)  # noqa: T201 - for scripts
            return 0
        with _GoesOnWithoutUs(submission.address, job_id):
            return _exit_status(asyncio.run(FollowedLog(client, job_id).follow()), job_id)


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
    if answer.status_code not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise ConfigError(
            f"--address {address}: answers with HTTP status {answer.status_code}, which no dashboard of Ray "
            "does. Name that of the dashboard, such as http://127.0.0.1:8265"
        )


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
