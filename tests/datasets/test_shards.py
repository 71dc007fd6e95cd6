from hypothesis import given
from hypothesis import strategies as st

from faceml.datasets.shards import plan_shards

listings = st.lists(st.text("ab/é", min_size=1), unique=True, max_size=60).map(sorted)


@given(image_ids=listings, images_per_shard=st.integers(1, 20), workers=st.integers(1, 4))
def test_plan_shards__every_image_is_in_one_shard_in_order(
    image_ids: list[str], images_per_shard: int, workers: int
) -> None:
    shards = plan_shards(image_ids, images_per_shard, workers)
    assert [image_id for shard in shards for image_id in shard.image_ids] == image_ids
    assert all(1 <= len(shard.image_ids) <= images_per_shard for shard in shards)
    assert len({shard.name for shard in shards}) == len(shards)
    assert shards == plan_shards(tuple(image_ids), images_per_shard, workers)


def test_plan_shards__a_large_job_has_full_shards() -> None:
    sizes = [len(shard.image_ids) for shard in plan_shards([str(i) for i in range(100_000)], 256, 4)]
    assert sizes == [256] * 390 + [160]


def test_plan_shards__a_small_job_still_has_shards_for_every_worker() -> None:
    shards = plan_shards([str(i) for i in range(1000)], 256, 2)
    assert len(shards) == 32
    assert max(len(shard.image_ids) for shard in shards) == 32


def test_plan_shards__other_images_give_other_names() -> None:
    """So that a resumed job, which has only the rest to do, never writes over a shard that is there."""
    whole = plan_shards([f"0/{i}" for i in range(64)], 2, 1)
    rest = plan_shards([f"0/{i}" for i in range(1, 63)], 2, 1)
    assert all(shard.name.startswith("part-") and shard.name.endswith(".parquet") for shard in whole)
    assert not {shard.name for shard in whole} & {shard.name for shard in rest}


def test_plan_shards__of_nothing_is_nothing() -> None:
    assert plan_shards([], 256, 2) == []
