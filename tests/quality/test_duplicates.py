"""Duplicates, compared with brute force over all pairs and files."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import example, given, settings, strategies as st

from faceml.quality import duplicates
from faceml.quality.duplicates import (
    SIGNED_HASH,
    NearDuplicates,
    conflicting_duplicates,
    near_duplicates,
)
from faceml.tables.queries import Connection, load_table, open_database

Hashes = npt.NDArray[np.uint64]

# Hashes of few set bits are near one another and often equal; the others are far from all.
HASH = st.one_of(
    st.sets(st.integers(0, 63), max_size=3).map(lambda bits: sum(1 << bit for bit in bits)),
    st.integers(0, 2**64 - 1),
)


def every_pair(first: Hashes, second: Hashes, most_bits: int) -> dict[tuple[int, int], int]:
    bits = {(i, j): (int(a) ^ int(b)).bit_count() for i, a in enumerate(first) for j, b in enumerate(second)}
    return {pair: distance for pair, distance in bits.items() if distance <= most_bits}


@pytest.fixture(scope="module")
def database() -> Iterator[Connection]:
    with open_database() as opened:
        yield opened


def found_in(
    database: Connection, first: Hashes, second: Hashes, most_bits: int, most_pairs: int = 100_000
) -> NearDuplicates:
    """Compare hashes, whose images are called by their numbers."""
    for name, hashes in (("first", first), ("second", second)):
        rows = pa.table({"image_id": [f"{row:06}" for row in range(len(hashes))], "dhash": hashes})
        rows = rows.cast(pa.schema({"image_id": pa.string(), "dhash": pa.uint64()}))
        load_table(database, name, rows, f"select image_id, {SIGNED_HASH} as dhash from rows")
    return near_duplicates(database, "first", "second", most_bits, most_pairs)


def listed(found: NearDuplicates) -> dict[tuple[int, int], int]:
    pairs = {(int(first), int(second)): bits for first, second, bits in found.pairs}
    assert len(pairs) == len(found.pairs), "a pair is listed once"
    return pairs


def check_every_pair(database: Connection, first: list[int], second: list[int], most_bits: int) -> None:
    ours, theirs = np.array(first, dtype=np.uint64), np.array(second, dtype=np.uint64)
    found, expected = found_in(database, ours, theirs, most_bits), every_pair(ours, theirs, most_bits)
    assert listed(found) == expected
    assert found.total == len(expected)
    assert found.in_first == len({i for i, _ in expected})
    assert found.in_second == len({j for _, j in expected})
    distances = [bits for _, _, bits in found.pairs]
    assert distances == sorted(distances)


@given(st.lists(HASH, max_size=30), st.lists(HASH, max_size=30), st.integers(0, 4))
@settings(max_examples=15)
def test_near_duplicates__are_those_of_comparing_every_pair(
    database: Connection, first: list[int], second: list[int], most_bits: int
) -> None:
    check_every_pair(database, first, second, most_bits)


@pytest.mark.parametrize("most_bits", [5, 8])
def test_near_duplicates__of_larger_distances_are_those_of_comparing_every_pair(
    database: Connection, most_bits: int
) -> None:
    draw = np.random.default_rng(most_bits)
    hashes = draw.integers(0, 2**64, 30, dtype=np.uint64)
    changed = [
        int(value) ^ sum(1 << int(bit) for bit in draw.permutation(64)[:n]) for n, value in enumerate(hashes)
    ]
    check_every_pair(database, [0, 2**64 - 1, *hashes.tolist()], [1, 2**63, *changed], most_bits)


@given(st.lists(HASH, max_size=20), st.lists(HASH, max_size=20), st.integers(1, 40))
@example(first=[0, 0, 0, 145], second=[0, 1, 2, 4], most_pairs=13)
@settings(max_examples=15)
def test_near_duplicates__a_bound_on_the_list_bounds_nothing_else(
    database: Connection, first: list[int], second: list[int], most_pairs: int
) -> None:
    ours, theirs = np.array(first, dtype=np.uint64), np.array(second, dtype=np.uint64)
    found, expected = found_in(database, ours, theirs, 3, most_pairs), every_pair(ours, theirs, 3)
    assert listed(found).items() <= expected.items()
    assert len(found.pairs) <= most_pairs
    # The sharing out may leave room for as much again, and for no more.
    assert len(found.pairs) >= min(len(expected), most_pairs) / 2
    assert found.total == len(expected)
    assert found.in_first == len({i for i, _ in expected})


def test_near_duplicates__flat_images_do_not_hide_the_others(database: Connection) -> None:
    """Ten billion pairs of black images are counted, not made."""
    black: Hashes = np.zeros(100_000, dtype=np.uint64)
    faces = np.random.default_rng(0).integers(0, 2**64, (2, 50), dtype=np.uint64)
    copies = faces[0] ^ np.uint64(1 << 17)
    ours, theirs = np.concatenate([black, faces[0]]), np.concatenate([black, copies, faces[1]])
    found = found_in(database, ours, theirs, 2, most_pairs=1000)
    assert found.total == 100_000**2 + 50
    assert (found.in_first, found.in_second) == (100_050, 100_050)
    assert sum(bits == 1 for _, _, bits in found.pairs) == 50
    assert found.pairs[0] == ("000000", "000000", 0)


def test_near_duplicates__two_hashes_have_their_turn_before_one_has_another(database: Connection) -> None:
    hashes = np.array([5, 5, 5, 2**40], dtype=np.uint64)
    found = found_in(database, hashes, hashes, 0)
    assert [(int(first), int(second)) for first, second, _ in found.pairs[:3]] == [(0, 0), (3, 3), (0, 1)]


def conflicts(database: Connection, keys: str = "content_sha256", most: int = 100, **columns: Any) -> Any:
    contents = pa.array([each and each * 32 for each in columns.pop("contents")], pa.binary(32))
    texts = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    load_table(database, "files", pa.table(texts | {"content_sha256": contents}), "from rows")
    return conflicting_duplicates(database, "files", keys, most)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([b"x", b"y", b"z", None])), max_size=20))
@settings(max_examples=25)
def test_conflicting_duplicates__are_those_of_looking_every_file_up(
    database: Connection, files: list[tuple[str, bytes | None]]
) -> None:
    names = [f"{folder}/{number}" for number, (folder, _) in enumerate(files)]
    by_content = defaultdict(set)
    for name, (_, content) in zip(names, files, strict=True):
        if content:
            by_content[content].add(name)
    groups = [tuple(sorted(group)) for group in by_content.values() if len({name[0] for name in group}) > 1]
    columns: dict[str, Any] = {"image_id": names, "folder": [folder for folder, _ in files]}
    contents = [content for _, content in files]
    assert conflicts(database, **columns, contents=contents) == (len(groups), sorted(groups))
    assert conflicts(database, most=1, **columns, contents=contents) == (len(groups), sorted(groups)[:1])


def test_conflicting_duplicates__folders_of_different_sources_do_not_contradict_each_other(
    database: Connection,
) -> None:
    names = ["a/0/0", "a/0/1", "b/1/2", "b/2/3"]
    columns: dict[str, Any] = {
        "image_id": names,
        "folder": ["0", "0", "1", "2"],
        "source": ["a", "a", "b", "b"],
    }
    same = [b"x"] * 4
    assert conflicts(database, "content_sha256, source", **columns, contents=same) == (
        1,
        [("b/1/2", "b/2/3")],
    )
    assert conflicts(database, **columns, contents=same) == (1, [tuple(names)])


def test_conflicting_duplicates__names_a_bounded_number_of_images(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "MOST_NAMES", 3)
    names = [f"{number:02}" for number in range(12)]
    columns: dict[str, Any] = {"image_id": names, "folder": ["0", "1"] * 6}
    contents = [b"x"] * 2 + [b"y"] * 8 + [b"z"] * 2
    assert conflicts(database, **columns, contents=contents) == (3, [("00", "01"), ("02", "03", "04")])
