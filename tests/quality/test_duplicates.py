"""Duplicates, compared with brute force over all pairs and files."""

import time
from collections import defaultdict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from faceml.quality import duplicates
from faceml.quality.duplicates import Hashes, NearDuplicates, conflicting_duplicates, near_duplicates

# Hashes of few set bits are near one another and often equal; the others are far from all.
HASH = st.one_of(
    st.sets(st.integers(0, 63), max_size=3).map(lambda bits: sum(1 << bit for bit in bits)),
    st.integers(0, 2**64 - 1),
)


def every_pair(first: Hashes, second: Hashes, most_bits: int) -> dict[tuple[int, int], int]:
    bits = {(i, j): (int(a) ^ int(b)).bit_count() for i, a in enumerate(first) for j, b in enumerate(second)}
    return {pair: distance for pair, distance in bits.items() if distance <= most_bits}


def listed(found: NearDuplicates) -> dict[tuple[int, int], int]:
    rows = zip(found.first.tolist(), found.second.tolist(), found.distance.tolist(), strict=True)
    pairs = {(i, j): distance for i, j, distance in rows}
    assert len(pairs) == len(found.first), "a pair is listed once"
    return pairs


@given(st.lists(HASH, max_size=30), st.lists(HASH, max_size=30), st.integers(0, 8))
def test_near_duplicates__are_those_of_comparing_every_pair(
    first: list[int], second: list[int], most_bits: int
) -> None:
    ours, theirs = np.array(first, dtype=np.uint64), np.array(second, dtype=np.uint64)
    found, expected = near_duplicates(ours, theirs, most_bits), every_pair(ours, theirs, most_bits)
    assert listed(found) == expected
    assert found.total == len(expected)
    assert set(np.flatnonzero(found.in_first)) == {i for i, _ in expected}
    assert set(np.flatnonzero(found.in_second)) == {j for _, j in expected}
    assert (np.diff(found.distance.astype(int)) >= 0).all()


@given(st.lists(HASH, max_size=20), st.lists(HASH, max_size=20), st.integers(1, 40))
def test_near_duplicates__a_bound_on_the_list_bounds_nothing_else(
    first: list[int], second: list[int], most_pairs: int
) -> None:
    ours, theirs = np.array(first, dtype=np.uint64), np.array(second, dtype=np.uint64)
    found, expected = near_duplicates(ours, theirs, 3, most_pairs), every_pair(ours, theirs, 3)
    assert listed(found).items() <= expected.items()
    assert len(found.first) <= most_pairs
    # The sharing out may leave room for as much again, and for no more.
    assert len(found.first) >= min(len(expected), most_pairs) / 2
    assert found.total == len(expected)
    assert set(np.flatnonzero(found.in_first)) == {i for i, _ in expected}


def test_near_duplicates__found_in_small_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(3)
    ours, theirs = (1 << generator.integers(0, 64, (2, 300)).astype(np.uint64) for _ in range(2))
    first, second = ours[0] | ours[1], theirs[0] | theirs[1]
    whole = listed(near_duplicates(first, second, 2))
    monkeypatch.setattr(duplicates, "CANDIDATES_AT_ONCE", 50)
    assert listed(near_duplicates(first, second, 2)) == whole == every_pair(first, second, 2)


def test_near_duplicates__flat_images_do_not_hide_the_others() -> None:
    """Ten billion pairs of black images are counted, not made."""
    black: npt.NDArray[np.uint64] = np.zeros(100_000, dtype=np.uint64)
    faces = np.random.default_rng(0).integers(0, 2**64, (2, 50), dtype=np.uint64)
    copies = faces[0] ^ np.uint64(1 << 17)
    started_s = time.perf_counter()
    found = near_duplicates(
        np.concatenate([black, faces[0]]), np.concatenate([black, copies, faces[1]]), 2, most_pairs=1000
    )
    assert time.perf_counter() - started_s < 5
    assert found.total == 100_000**2 + 50
    assert found.in_first.all()
    assert found.in_second.sum() == 100_050
    assert (found.distance == 1).sum() == 50
    assert found.distance[0] == 0


def test_near_duplicates__two_hashes_have_their_turn_before_one_has_another() -> None:
    hashes = np.array([5, 5, 5, 2**40], dtype=np.uint64)
    found = near_duplicates(hashes, hashes, 0)
    assert list(zip(found.first[:3].tolist(), found.second[:3].tolist(), strict=True)) == [
        (0, 0),
        (3, 3),
        (0, 1),
    ]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([b"x", b"y", b"z", None])), max_size=20))
def test_conflicting_duplicates__are_those_of_looking_every_file_up(
    files: list[tuple[str, bytes | None]],
) -> None:
    names = [f"{folder}/{number}" for number, (folder, _) in enumerate(files)]
    by_content = defaultdict(set)
    for name, (_, content) in zip(names, files, strict=True):
        if content:
            by_content[content].add(name)
    expected = [tuple(sorted(group)) for group in by_content.values() if len({name[0] for name in group}) > 1]
    table = pa.table(
        {
            "image_id": pa.array(names, pa.string()),
            "folder": pa.array([folder for folder, _ in files], pa.string()),
            "content_sha256": pa.array([c and c * 32 for _, c in files], pa.binary(32)),
        }
    )
    assert conflicting_duplicates(table) == sorted(expected)


def test_conflicting_duplicates__folders_of_different_sources_do_not_contradict_each_other() -> None:
    sources, folders = ["a", "a", "b", "b"], ["0", "0", "1", "2"]
    names = ["a/0/0", "a/0/1", "b/1/2", "b/2/3"]
    columns = {
        "image_id": names,
        "folder": folders,
        "content_sha256": pa.array([b"x" * 32] * 4, pa.binary(32)),
    }
    assert conflicting_duplicates(pa.table(columns | {"source": sources})) == [("b/1/2", "b/2/3")]
    assert conflicting_duplicates(pa.table(columns)) == [tuple(names)]
