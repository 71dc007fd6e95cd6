"""Images that come twice: nearly the same ones in two tables, and identical ones under different labels.

Shape letters: N hashes of the first table, M of the second, P pairs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

CANDIDATES_AT_ONCE = 1 << 21
"""Bounds the memory of a comparison: some 40 bytes each."""


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of images whose perceptual hashes differ in few bits.

    Attributes:
        first: int64 of shape (P,), rows of the first table: the closest pairs come first, and among those
            that are equally close every two hash values have their turn before any have another.
        second: int64 of shape (P,), the rows that they are paired with.
        distance: uint8 of shape (P,), bits that differ.
        total: Number of all pairs, listed or not.
        in_first: bool of shape (N,), whether a row is part of any pair, listed or not.
        in_second: bool of shape (M,), the same for the second table.
    """

    first: Rows
    second: Rows
    distance: npt.NDArray[np.uint8]
    total: int
    in_first: npt.NDArray[np.bool_]
    in_second: npt.NDArray[np.bool_]


def near_duplicates(
    first: Hashes, second: Hashes, max_distance: int, most_pairs: int = 100_000
) -> NearDuplicates:
    """Find all pairs of hashes within a Hamming distance, exactly.

    The bits are cut into n segments. Two hashes that differ in d bits agree in n − d segments at least, so
    that only those which agree in some choice of n − d need comparing (Manku, Jain & Das Sarma 2007,
    "Detecting near-duplicates for web crawling", section 3). Each hash value is compared once, however many
    images have it: flat pictures all hash to 0.

    Args:
        first: uint64 of shape (N,).
        second: uint64 of shape (M,).
        max_distance: Bits of 64 that may differ. The work grows steeply beyond 4.
        most_pairs: Pairs listed. If there are more, hash values that many images share are cut first, all to
            the same number of pairs.
    """
    ours, theirs = _Images.by_hash(first), _Images.by_hash(second)
    hit_ours, hit_theirs = np.zeros(len(ours.hashes), dtype=bool), np.zeros(len(theirs.hashes), dtype=bool)
    found: list[Rows] = [np.empty((3, 0), dtype=np.int64)]
    total = 0
    for pairs in _pairs_of_hashes(ours.hashes, theirs.hashes, max_distance):
        hit_ours[pairs[1]] = hit_theirs[pairs[2]] = True
        total += int((ours.counts[pairs[1]] * theirs.counts[pairs[2]]).sum())
        found.append(pairs)
        if sum(part.shape[1] for part in found) > 2 * most_pairs:
            found = [_ordered(np.concatenate(found, axis=1))[:, :most_pairs]]
    distance, our, their = _ordered(np.concatenate(found, axis=1))[:, :most_pairs]
    images = ours.counts[our] * theirs.counts[their]
    pair, turn = _ragged(np.minimum(images, _even_share(images, most_pairs)))
    their_count = theirs.counts[their[pair]]
    rows = np.stack(
        [
            distance[pair],
            turn,
            ours.rows[ours.starts[our[pair]] + turn // their_count],
            theirs.rows[theirs.starts[their[pair]] + turn % their_count],
        ]
    )
    listed = _ordered(rows)[:, :most_pairs]
    return NearDuplicates(
        first=listed[2],
        second=listed[3],
        distance=listed[0].astype(np.uint8),
        total=total,
        in_first=np.repeat(hit_ours, ours.counts)[np.argsort(ours.rows)],
        in_second=np.repeat(hit_theirs, theirs.counts)[np.argsort(theirs.rows)],
    )


def conflicting_duplicates(table: pa.Table) -> list[tuple[str, ...]]:
    """Find files with the same content in different folders: the same image under two labels.

    Args:
        table: With the columns `image_id`, `folder` and `content_sha256`. Rows without a hash are left out.

    Returns:
        For each content the images that have it, in the order of their names.
    """
    known = table.filter(pc.is_valid(table["content_sha256"]))
    contents = known.group_by("content_sha256").aggregate([("folder", "count_distinct")])
    conflicting = contents.filter(pc.greater(contents["folder_count_distinct"], 1))["content_sha256"]
    rows = known.filter(pc.is_in(known["content_sha256"], value_set=conflicting)).sort_by("image_id")
    groups = rows.group_by("content_sha256", use_threads=False).aggregate([("image_id", "list")])
    return sorted(tuple(group) for group in groups["image_id_list"].to_pylist())


@dataclass(frozen=True)
class _Images:
    """The images of a table by hash: those with `hashes[i]` are `rows[starts[i] : starts[i] + counts[i]]`."""

    hashes: Hashes
    counts: Rows
    starts: Rows
    rows: Rows

    @staticmethod
    def by_hash(hashes: Hashes) -> "_Images":
        values, counts = np.unique(hashes, return_counts=True)
        return _Images(values, counts, np.cumsum(counts) - counts, np.argsort(hashes, kind="stable"))


def _pairs_of_hashes(first: Hashes, second: Hashes, max_distance: int) -> Iterator[Rows]:
    """Yield each pair of hash values once, as int64 of shape (3, P): distance, place in first, in second."""
    # So many agreeing segments have a third of the bits or more: fewer are too common, more take more sorts.
    agreeing = max(1, -(-max_distance // 2))
    number = max_distance + agreeing
    # Neighbouring bits of a difference hash are correlated; apart, they tell more images apart.
    segments = [np.uint64(sum(1 << bit for bit in range(start, 64, number))) for start in range(number)]
    for chosen in combinations(range(number), agreeing):
        mask = reduce(np.bitwise_or, (segments[segment] for segment in chosen))
        # A pair that agrees in more segments is met with every choice of them; only the first one counts.
        passed_over = [segments[s] for s in range(chosen[-1]) if s not in chosen]
        for left, right in _agreeing(first, second, mask):
            difference = first[left] ^ second[right]
            distance = np.bitwise_count(difference)
            near = np.flatnonzero(distance <= max_distance)
            for segment in passed_over:
                near = near[(difference[near] & segment) != 0]
            if len(near):
                yield np.stack([distance[near], left[near], right[near]]).astype(np.int64)


def _agreeing(first: Hashes, second: Hashes, mask: np.uint64) -> Iterator[tuple[Rows, Rows]]:
    """Yield the places of all pairs that are equal under a mask, a bounded number at a time."""
    left, right = np.argsort(first & mask), np.argsort(second & mask)
    keys, other_keys = (first & mask)[left], (second & mask)[right]
    low = np.searchsorted(other_keys, keys, "left")
    counts = np.searchsorted(other_keys, keys, "right") - low
    left, low, counts = left[counts > 0], low[counts > 0], counts[counts > 0]
    ends = np.cumsum(counts)
    start = 0
    while start < len(left):
        done = ends[start] - counts[start]
        stop = max(start + 1, int(np.searchsorted(ends, done + CANDIDATES_AT_ONCE, "right")))
        group, place = _ragged(counts[start:stop])
        yield left[start:stop][group], right[low[start:stop][group] + place]
        start = stop


def _ragged(counts: Rows) -> tuple[Rows, Rows]:
    """Return for groups of `counts` members the group of each member, and its place in it from 0."""
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)


def _even_share(sizes: Rows, most: int) -> int:
    """Return a bound of the sizes so that they add up to `most` at most, unless ones already exceed it."""
    share = most
    while share > 1 and np.minimum(sizes, share).sum() > most:
        share //= 2
    return share


def _ordered(columns: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sort the columns of an array of shape (K, P) by their first element, then by the second, and so on."""
    return columns[:, np.lexsort(columns[::-1])]
