"""`faceml submit`: submission of a job to a cluster over HTTP, and its log."""

import asyncio
import logging
import os
import signal
from http import HTTPStatus
from importlib.util import find_spec

import requests
from ray.job_submission import JobDetails, JobStatus

from faceml.config import ConfigError
from faceml.errors import StoppedError, translate_errors
from ray_jobs.cluster import SignalExit, connect_job_client, quieten_upload
from ray_jobs.submission.log import ANSWER_WITHIN_S, LOSSES, FollowedLog
from ray_jobs.submission.request import Submission, check_settings, read_runtime_env

logger = logging.getLogger(__name__)

OTHER_ADDRESSES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Environment variables that override the address given to Ray's client."""
TOO_LARGE = f"status code {HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value}"
"""Part of the error of Ray's client if the dashboard refuses the size of the uploaded folder."""


def run(submission: Submission) -> int:
    """Submit a job, print its log until it ends, and return its exit status.

    Raises:
        ConfigError: A setting of the job is wrong, or the cluster needs no authentication.
        StoppedError: The cluster cannot be reached, or the job was stopped or did not start.
    """
    quieten_upload()
    entrypoint = submission.entrypoint
    check_settings(submission)
    if not submission.address.startswith(("http://", "https://")):
        raise ConfigError(
            f"--address {submission.address}: must be the URL of the dashboard, such as http://127.0.0.1:8265"
        )
    if find_spec("aiohttp") is None:
        raise ConfigError("faceml submit: needs optional packages: pip install 'faceml[cluster]'")
    runtime_env = read_runtime_env(submission.runtime_env)
    runtime_env["working_dir"] = str(submission.working_dir.absolute())
    with _translate_loss(submission.address):
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
        with _exit_at_interrupt(submission.address, job_id):
            return _exit_status(asyncio.run(FollowedLog(client, job_id).follow()), job_id)


def refuse_open_cluster(address: str) -> None:
    """Refuse a cluster without authentication, on which everyone who reaches it can run any code.

    Raises:
        ConfigError: The cluster answers without a token, or is no dashboard of Ray.
    """
    answer = requests.get(f"{address.rstrip('/')}/api/jobs/", timeout=ANSWER_WITHIN_S)
    if answer.ok:
        raise ConfigError(
            f"--address {address}: accepts jobs without authentication. Start Ray there with "
            "RAY_AUTH_MODE=token, or submit with --without-token if nobody else can reach the cluster."
        )
    if answer.status_code not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise ConfigError(
            f"--address {address}: answers with HTTP status {answer.status_code}, unlike a dashboard of Ray. "
            "Give the URL of the dashboard, such as http://127.0.0.1:8265"
        )


def _exit_status(details: JobDetails, job_id: str) -> int:
    """Return the exit status of a job.

    Raises:
        StoppedError: The job was stopped, or failed without an exit status.
    """
    if details.status == JobStatus.SUCCEEDED:
        return 0
    if details.status == JobStatus.STOPPED:
        raise StoppedError(f"{job_id} was stopped. The same command continues from what is finished.")
    if details.driver_exit_code is None or details.driver_exit_code < 0:
        raise StoppedError(f"{job_id} failed: {' '.join((details.message or 'unknown reason').split())}")
    return details.driver_exit_code


def _translate_loss(address: str) -> translate_errors[Exception]:
    """Raise `StoppedError` in place of errors of a cluster that cannot be reached or refuses."""

    def translate(error: Exception) -> StoppedError | None:
        if isinstance(error, StoppedError):
            return None
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        if TOO_LARGE in reason:
            return StoppedError(
                f"--address {address}: this folder is too large to be uploaded ({reason}). List folders of "
                "images, tables and runs in .gitignore or .rayignore, or submit from another folder."
            )
        return StoppedError(
            f"--address {address}: {reason}. Is the cluster up, is its port forwarded (ray dashboard "
            "cluster.yaml), and is its token in RAY_AUTH_TOKEN or in ~/.ray/auth_token?"
        )

    return translate_errors(LOSSES, translate)


def _exit_at_interrupt(address: str, job_id: str) -> translate_errors[KeyboardInterrupt]:
    """Exit at Ctrl-C with the commands that follow and stop the job."""

    def translate(interrupt: KeyboardInterrupt) -> SignalExit:
        return SignalExit(
            signal.SIGINT,
            f"{job_id} is still running. To follow it: ray job logs --address {address} --follow {job_id}; "
            f"to stop it: ray job stop --address {address} {job_id}",
        )

    return translate_errors(KeyboardInterrupt, translate)
