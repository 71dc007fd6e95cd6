from dataclasses import replace

import pytest

from benchmarks.scaling_estimate import Costs, estimate

FREE = Costs(
    image_s=0.02,
    efficiency=1.0,
    images_per_shard=500,
    listed_per_s=float("inf"),
    start_s=0.0,
    start_per_shard_s=0.0,
    driver_s=0.01,
    driver_per_detector_s=0.0,
    end_s=0.0,
    query_bytes=800.0,
    query_gib=100.0,
    driver_bytes=30.0,
    table_bytes=250.0,
)


@pytest.mark.parametrize(("detectors", "hours"), [(1, 100.0), (16, 6.25), (100, 1.0)])
def test_estimate__detectors_share_the_images(detectors: int, hours: float) -> None:
    found = estimate(18_000_000, detectors, FREE)
    assert (found.hours, found.limit) == (pytest.approx(hours), "detectors")


def test_estimate__no_number_of_detectors_is_faster_than_the_driver() -> None:
    # 36,000 shards of 10 ms each take six minutes; 1,000 detectors of 50 images/s are what it can feed.
    assert FREE.images_per_s_of_driver(1) == pytest.approx(50_000)
    assert estimate(18_000_000, 999, FREE).limit == "detectors"
    many = estimate(18_000_000, 1001, FREE)
    assert (many.hours, many.limit) == (pytest.approx(0.1), "driver")
    assert estimate(18_000_000, 5000, FREE).hours == many.hours


def test_estimate__a_driver_that_looks_at_all_detectors_feeds_many_of_them_less() -> None:
    costs = replace(FREE, driver_per_detector_s=1e-4)
    assert costs.images_per_s_of_driver(100) == pytest.approx(500 / 0.02)
    assert costs.images_per_s_of_driver(900) == pytest.approx(500 / 0.1)
    found = estimate(18_000_000, 900, costs)
    assert (found.hours, found.limit) == (pytest.approx(1.0), "driver")
    # Larger shards are fewer.
    assert estimate(18_000_000, 900, replace(costs, images_per_shard=5000)).limit == "detectors"


def test_estimate__what_is_before_and_after_the_detectors_is_added() -> None:
    costs = replace(FREE, start_s=600.0, start_per_shard_s=0.05, listed_per_s=10_000.0, end_s=2e-4)
    # 10 minutes of start, 30 for the shards, 30 to list, 60 for the report; an hour of work.
    found = estimate(18_000_000, 100, costs)
    assert (found.hours, found.extract_hours) == (pytest.approx(1 + 130 / 60), pytest.approx(1.0))


def test_estimate__the_memory_of_queries_is_bounded() -> None:
    small, large = estimate(2**27, 1, FREE), estimate(2**30, 1, FREE)
    assert (small.driver_gib, small.table_gib) == (100 + 30 / 8, 250 / 8)
    assert (large.driver_gib, large.table_gib) == (100 + 30, 250)
    assert estimate(2**24, 1, FREE).driver_gib == pytest.approx((800 + 30) / 64)
