"""Concurrent requests, which wait for a disk or a store at the same time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LOCAL_THREADS = 8
STORE_THREADS = 64
"""A request to a store takes 20 to 100 ms, nearly all of it waiting."""


def map_concurrently(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """Yield the results of a function in the order of the items.

    At most two results for each thread are computed ahead of the one that is yielded.

    Args:
        function: Called in threads.
        items: Arguments of the calls.
        threads: Number of threads.

    Raises:
        Exception: The first error of a call, in the order of the items.
    """
    with ExitStack() as cleanup:
        pool = ThreadPoolExecutor(threads)
        cleanup.callback(pool.shutdown, cancel_futures=True)
        pending = deque[Future[Result]]()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
