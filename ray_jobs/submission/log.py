"""The log of a job on a cluster, followed over HTTP for as long as the cluster comes back."""

import asyncio
import logging
import time
from contextlib import suppress

import requests
from ray.exceptions import RayError
from ray.job_submission import JobDetails, JobSubmissionClient

logger = logging.getLogger(__name__)

LOSSES = (requests.RequestException, OSError, RuntimeError, RayError)
"""What Ray's client raises when a cluster is not there, or refuses."""
ANSWER_WITHIN_S = 30.0
SILENCE_S = 20.0
"""After so long without a line the job is asked for, and its log anew: a connection may be lost unnoticed."""
PATIENCE_S = 30.0
"""For so long a lost cluster is looked for."""
POLL_INTERVAL_S = 1.0


class FollowedLog:
    """Print what a job prints, each line once.

    Args:
        client: Of the job's cluster.
        job_id: Of the job.
    """

    def __init__(self, client: JobSubmissionClient, job_id: str) -> None:
        self._client = client
        self._job_id = job_id
        self._printed = 0

    async def follow(self) -> JobDetails:
        """Print until the job ends, and return what became of it.

        Raises:
            RequestException, OSError, RuntimeError: The cluster was lost, and did not come back.
        """
        while True:
            tail = asyncio.create_task(self._print_tail())
            details = await self._watch(tail)
            tail.cancel()
            if details.status.is_terminal():
                self._print_from(0, await asyncio.to_thread(self._client.get_job_logs, self._job_id))
                return details
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _watch(self, tail: asyncio.Task[None]) -> JobDetails:
        """Return the state of the job once its log has ended, or is silent."""
        while True:
            before = self._printed
            await asyncio.wait([tail], timeout=SILENCE_S)
            if tail.done() or self._printed == before:
                return await self._details()

    async def _details(self) -> JobDetails:
        given_up_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < given_up_s:
            with suppress(*LOSSES):
                return await asyncio.to_thread(self._client.get_job_info, self._job_id)
            logger.info("The cluster does not answer; the job may go on. Trying again.")
            await asyncio.sleep(POLL_INTERVAL_S)
        return self._client.get_job_info(self._job_id)

    async def _print_tail(self) -> None:
        from aiohttp import ClientError  # late: what Ray needs for this is an extra

        seen = 0
        with suppress(ClientError, *LOSSES):  # the connection is lost, which says nothing of the job
            async for text in self._client.tail_job_logs(self._job_id):
                self._print_from(seen, text)
                seen += len(text)

    def _print_from(self, start: int, text: str) -> None:
        """Print what is new of a text that begins at the log's character `start`."""
        print(text[max(0, self._printed - start) :], end="", flush=True)  # noqa: T201 - the job printed it
        self._printed = max(self._printed, start + len(text))
