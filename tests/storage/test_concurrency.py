import threading
import time

import pytest

from faceml.storage.concurrency import map_concurrently


def test_map_concurrently__keeps_the_order_and_is_as_fast_as_its_threads() -> None:
    def square(number: int) -> int:
        time.sleep(0.05 if number % 2 else 0.0)
        return number * number

    started_s = time.monotonic()
    assert list(map_concurrently(square, range(64), 16)) == [number * number for number in range(64)]
    assert time.monotonic() - started_s < 32 * 0.05 / 2


def test_map_concurrently__is_only_a_few_ahead() -> None:
    called, before = list[int](), set(threading.enumerate())
    results = map_concurrently(called.append, range(1000), 4)
    next(results)
    assert len(called) <= 8
    results.close()  # type: ignore[attr-defined]  # a generator
    assert len(called) <= 8
    assert set(threading.enumerate()) <= before


def test_map_concurrently__raises_the_first_error() -> None:
    results = map_concurrently(lambda number: 1 // number, [2, 1, 0, 1], 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
