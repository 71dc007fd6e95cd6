"""Duplicate images: near-duplicates of two tables, and identical files with different labels.

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
"""Number of candidate pairs compared at once, which need about 40 bytes each."""


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of images whose perceptual hashes differ in few bits.

    Attributes:
        first: int64 of shape (P,), rows of the first table. The closest pairs come first; among equally close
            ones every pair of hash values comes once before any comes again.
        second: int64 of shape (P,), rows of the second table.
        distance: uint8 of shape (P,), Hamming distances in bits.
        total: Number of all pairs, including those not listed.
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

    The bits are divided into n segments. Two hashes that differ in d bits agree in at least n − d segments,
    so only hashes that agree in some choice of n − d segments are compared (Manku, Jain & Das Sarma 2007,
    "Detecting near-duplicates for web crawling", section 3). Each hash value is compared once, however many
    images have it: images of one colour all hash to 0.

    Args:
        first: uint64 of shape (N,).
        second: uint64 of shape (M,).
        max_distance: Maximum Hamming distance in bits of 64. The cost grows steeply beyond 4.
        most_pairs: Maximum number of pairs listed. If there are more, pairs of hash values that many images
            share are truncated first, all to the same number.
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
    """Find identical files in different folders of a source, and so with different labels.

    Args:
        table: Table with `image_id`, `folder` and `content_sha256`, and with `source` if there are several,
            whose folders have different meanings. Rows without a digest are ignored.

    Returns:
        Groups of images with identical content, sorted by name.
    """
    known = table.filter(pc.is_valid(table["content_sha256"]))
    keys = ["content_sha256", *(["source"] if "source" in table.column_names else [])]
    contents = _in_several_folders(known.group_by(keys).aggregate([("folder", "count_distinct")]))
    rows = known.filter(pc.is_in(known["content_sha256"], value_set=contents["content_sha256"]))
    groups = rows.sort_by("image_id").group_by(keys, use_threads=False)
    found = _in_several_folders(groups.aggregate([("folder", "count_distinct"), ("image_id", "list")]))
    return sorted(tuple(group) for group in found["image_id_list"].to_pylist())


def _in_several_folders(groups: pa.Table) -> pa.Table:
    return groups.filter(pc.greater(groups["folder_count_distinct"], 1))


@dataclass(frozen=True)
class _Images:
    """Images of a table by hash: those with `hashes[i]` are `rows[starts[i] : starts[i] + counts[i]]`."""

    hashes: Hashes
    counts: Rows
    starts: Rows
    rows: Rows

    @staticmethod
    def by_hash(hashes: Hashes) -> "_Images":
        values, counts = np.unique(hashes, return_counts=True)
        return _Images(values, counts, np.cumsum(counts) - counts, np.argsort(hashes, kind="stable"))


def _pairs_of_hashes(first: Hashes, second: Hashes, max_distance: int) -> Iterator[Rows]:
    """Yield each pair of hash values once, int64 of shape (3, P): distance, index in first, in second."""
    # Segments with at least a third of the bits: fewer match too often, more need more sorts.
    agreeing = max(1, -(-max_distance // 2))
    number = max_distance + agreeing
    # Neighbouring bits of a difference hash are correlated: interleaved segments are more selective.
    segments = [np.uint64(sum(1 << bit for bit in range(start, 64, number))) for start in range(number)]
    for chosen in combinations(range(number), agreeing):
        mask = reduce(np.bitwise_or, (segments[segment] for segment in chosen))
        # A pair that agrees in more segments is found with every choice of them; only the first one is kept.
        earlier = [segments[s] for s in range(chosen[-1]) if s not in chosen]
        for left, right in _agreeing(first, second, mask):
            difference = first[left] ^ second[right]
            distance = np.bitwise_count(difference)
            near = np.flatnonzero(distance <= max_distance)
            for segment in earlier:
                near = near[(difference[near] & segment) != 0]
            if len(near):
                yield np.stack([distance[near], left[near], right[near]]).astype(np.int64)


def _agreeing(first: Hashes, second: Hashes, mask: np.uint64) -> Iterator[tuple[Rows, Rows]]:
    """Yield the indices of all pairs that are equal under a mask, a bounded number at a time."""
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
    """Return the group of each member of groups of `counts` members, and its index in the group."""
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)


def _even_share(sizes: Rows, most: int) -> int:
    """Return a bound on sizes such that their sum is at most `most`; 1 if there is none."""
    share = most
    while share > 1 and np.minimum(sizes, share).sum() > most:
        share //= 2
    return share


def _ordered(columns: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sort the columns of an array of shape (K, P) lexicographically."""
    return columns[:, np.lexsort(columns[::-1])]
