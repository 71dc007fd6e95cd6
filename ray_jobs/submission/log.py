"""Log of a job on a cluster, followed over HTTP with reconnection."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import requests
from ray.exceptions import RayError
from ray.job_submission import JobDetails, JobSubmissionClient

logger = logging.getLogger(__name__)

AnswerT = TypeVar("AnswerT")
LOSSES = (requests.RequestException, OSError, RuntimeError, RayError)
"""Errors that Ray's client raises when a cluster cannot be reached or refuses."""
ANSWER_WITHIN_S = 30.0
"""Longest wait for an answer of the cluster."""
SILENCE_S = 20.0
"""Time without a line after which the job's status is read, to detect a lost connection."""
PATIENCE_S = 30.0
"""Longest time of attempts to reconnect to a lost cluster."""
POLL_INTERVAL_S = 1.0


class FollowedLog:
    """Follow the log of a job and print each line once, also after lost connections.

    Args:
        client: Client of the job's cluster.
        job_id: ID of the job.
    """

    def __init__(self, client: JobSubmissionClient, job_id: str) -> None:
        self._client = client
        self._job_id = job_id
        self._printed = 0

    async def follow(self) -> JobDetails:
        """Print the log until the job ends, and return the details of the job.

        Raises:
            RequestException, OSError, RuntimeError: The connection was lost and could not be restored.
        """
        while True:
            tail = asyncio.create_task(self._print_tail())
            details = await self._watch(tail)
            tail.cancel()
            if details.status.is_terminal():
                self._print_from(0, await self._request(self._client.get_job_logs))
                return details
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _watch(self, tail: asyncio.Task[None]) -> JobDetails:
        """Return the details of the job once its log has ended, or has no new line for `SILENCE_S`."""
        while True:
            before = self._printed
            await asyncio.wait([tail], timeout=SILENCE_S)
            if tail.done() or self._printed == before:
                return await self._request(self._client.get_job_info)

    async def _request(self, read: Callable[[str], AnswerT]) -> AnswerT:
        """Return what a method of the client reads of the job, after a lost connection has been restored."""
        given_up_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < given_up_s:
            with suppress(*LOSSES):
                return await asyncio.to_thread(read, self._job_id)
            logger.info("The cluster does not answer; the job may still be running. Trying again.")
            await asyncio.sleep(POLL_INTERVAL_S)
        return read(self._job_id)

    async def _print_tail(self) -> None:
        from aiohttp import ClientError  # late: it is part of an optional extra

        seen = 0
        with suppress(ClientError, *LOSSES):  # a lost connection does not mean that the job has ended
            async for text in self._client.tail_job_logs(self._job_id):
                self._print_from(seen, text)
                seen += len(text)

    def _print_from(self, start: int, text: str) -> None:
        """Print the part of a text not yet printed.

        Args:
            start: Position of the text in the log, characters.
            text: The text.
        """
        print(text[max(0, self._printed - start) :], end="", flush=True)  # noqa: T201 - the job printed it
        self._printed = max(self._printed, start + len(text))
