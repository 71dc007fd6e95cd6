"""Duplicate images: near-duplicates of two tables, and identical files with different labels.

Both are queries over tables of a database, which need not fit into memory. Shape letters: P pairs of hash
values, T pairs of images.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from operator import or_

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from faceml.tables import Connection, load_table

Rows = npt.NDArray[np.int64]

SIGNED_HASH = "(dhash::hugeint - 9223372036854775808::hugeint)::bigint"
"""A hash as a signed integer: its highest bit is inverted, which changes neither order nor distances."""
MOST_NAMES = 100_000
"""Number of images that conflicting duplicates name; the files of further ones are left out."""


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of images whose perceptual hashes differ in few bits.

    Attributes:
        pairs: Name of an image of the first table, name of one of the second, and the Hamming distance in
            bits. The closest pairs come first; among equally close ones every pair of hash values comes once
            before any comes again.
        total: Number of all pairs, including those not listed.
        in_first: Number of images of the first table that are part of any pair, listed or not.
        in_second: The same for the second table.
    """

    pairs: list[tuple[str, str, int]]
    total: int
    in_first: int
    in_second: int


def near_duplicates(
    database: Connection, first: str, second: str, max_distance: int, most_pairs: int = 100_000
) -> NearDuplicates:
    """Find all pairs of hashes within a Hamming distance, exactly.

    The bits are divided into n segments. Two hashes that differ in d bits agree in at least n − d segments,
    so only hashes that agree in some choice of n − d segments are compared (Manku, Jain & Das Sarma 2007,
    "Detecting near-duplicates for web crawling", section 3). Each hash value is compared once, however many
    images have it: images of one colour all hash to 0.

    Args:
        database: Database of `open_database`.
        first: Name of a table with the columns `image_id` and `dhash`, a hash of `SIGNED_HASH`.
        second: Name of another one, or of the same.
        max_distance: Maximum Hamming distance in bits of 64. The cost grows steeply beyond 4.
        most_pairs: Maximum number of pairs listed. If there are more, pairs of hash values that many images
            share are truncated first, all to the same number.
    """
    for table, hashes in ((first, "first_hashes"), (second, "second_hashes")):
        database.execute(
            f"create or replace table {hashes} as "
            f"select dhash, count(*) as images from {table} group by dhash"
        )
    database.execute("create or replace table near (bits tinyint, one bigint, other bigint)")
    for agreeing, differing in _choices_of_segments(max_distance):
        # A pair that agrees in more segments is found with every choice of them; only the first one is kept.
        further = "".join(f" and xor(one, other) & {segment} <> 0" for segment in differing)
        database.execute(
            "insert into near select bit_count(xor(one, other)) as bits, one, other from "
            f"(select a.dhash as one, b.dhash as other from first_hashes as a join second_hashes as b "
            f"on a.dhash & {agreeing} = b.dhash & {agreeing}) where bits <= {max_distance}{further}"
        )
    counted = (
        "(select bits, one, other, a.images as ours, b.images as theirs from near "
        "join first_hashes as a on one = a.dhash join second_hashes as b on other = b.dhash)"
    )
    return NearDuplicates(
        pairs=_listed(database, counted, first, second, most_pairs),
        total=_number(database, f"select sum(ours::hugeint * theirs) from {counted}"),
        in_first=_number(
            database, "select sum(images) from first_hashes where dhash in (select one from near)"
        ),
        in_second=_number(
            database, "select sum(images) from second_hashes where dhash in (select other from near)"
        ),
    )


def conflicting_duplicates(
    database: Connection, table: str, keys: str, most: int
) -> tuple[int, list[tuple[str, ...]]]:
    """Find identical files in different folders of a source, and so with different labels.

    Args:
        database: Database of `open_database`.
        table: Name of a table with the columns `image_id`, `folder`, and those of `keys`.
        keys: `content_sha256`, or `content_sha256, source` if there are several sources, whose folders have
            different meanings. Rows without a digest are ignored.
        most: Maximum number of groups.

    Returns:
        Number of such files, and the groups of images with identical content, sorted by name. The groups name
        about `MOST_NAMES` images at most.
    """
    database.execute(
        f"create or replace table conflicts as select {keys}, count(*) as images, min(image_id) as name "
        f"from {table} where content_sha256 is not null group by {keys} having min(folder) <> max(folder)"
    )
    number = _number(database, "select count(*) from conflicts")
    before = "sum(images) over (order by name rows between unbounded preceding and 1 preceding)"
    database.execute(
        f"create or replace table named as select {keys}, least(images, {MOST_NAMES}) as needed "
        f"from (select *, coalesce({before}, 0) as before from conflicts) where before < {MOST_NAMES} "
        f"order by name limit {most}"
    )
    groups = database.execute(
        f"select list(image_id order by image_id) as names from ({_first_names(table, 'named', keys)}) "
        f"group by {keys} order by names[1]"
    ).fetchall()
    return number, [tuple(names) for (names,) in groups]


def _first_names(table: str, wanted: str, keys: str) -> str:
    """Return the query of the first images by name with each of the wanted keys, as many as are needed.

    Args:
        table: Table with the columns `image_id` and those of `keys`.
        wanted: Table with the columns of `keys` and `needed`.
        keys: Columns.
    """
    # The aggregate min(image_id, n) has room for n values in every group from the start.
    return (
        f"select {keys}, image_id from (select {keys}, image_id, needed, row_number() over "
        f"(partition by {keys} order by image_id) as place from {table} join {wanted} using ({keys})) "
        "where place <= needed"
    )


def _choices_of_segments(max_distance: int) -> Iterator[tuple[int, list[int]]]:
    """Yield the bits in which hashes agree, and segments of which each has a bit in which they differ."""
    # Segments with at least a third of the bits: fewer match too often, more need more joins.
    agreeing = max(1, -(-max_distance // 2))
    number = max_distance + agreeing
    # Neighbouring bits of a difference hash are correlated: interleaved segments are more selective.
    segments = [sum(1 << bit for bit in range(start, 64, number)) for start in range(number)]
    for chosen in combinations(range(number), agreeing):
        differing = [segments[segment] for segment in range(chosen[-1]) if segment not in chosen]
        yield _signed(reduce(or_, (segments[segment] for segment in chosen))), [*map(_signed, differing)]


def _signed(bits: int) -> int:
    return bits - 2**64 if bits >= 2**63 else bits


def _number(database: Connection, query: str) -> int:
    (row,) = database.execute(query).fetchall()
    return int(row[0] or 0)


def _listed(
    database: Connection, counted: str, first: str, second: str, most_pairs: int
) -> list[tuple[str, str, int]]:
    """Return the closest pairs of images, from the pairs of hash values with their numbers of images."""
    closest = database.execute(
        f"select * from {counted} order by bits, one, other limit {most_pairs}"
    ).fetchnumpy()
    bits, one, other, ours, theirs = closest.values()
    images = np.minimum(ours, most_pairs) * np.minimum(theirs, most_pairs)
    share = _even_share(images, most_pairs)
    pair, turn = _ragged(np.minimum(images, share))
    place, other_place = turn // theirs[pair], turn % theirs[pair]
    names = _names(database, first, one[pair], place)
    other_names = _names(database, second, other[pair], other_place)
    found = sorted(
        (int(bits[p]), t, names[int(one[p])][a], other_names[int(other[p])][b])
        for p, t, a, b in zip(pair.tolist(), turn.tolist(), place.tolist(), other_place.tolist(), strict=True)
    )
    return [(name, other_name, distance) for distance, _, name, other_name in found[:most_pairs]]


def _names(database: Connection, table: str, hashes: Rows, places: Rows) -> dict[int, list[str]]:
    """Return the first images by name with each hash value, up to the last place that is listed."""
    needed = pa.table({"dhash": hashes, "place": places}).group_by("dhash").aggregate([("place", "max")])
    load_table(database, "wanted", needed, "select dhash, place_max + 1 as needed from rows")
    found = database.execute(
        "select dhash, list(image_id order by image_id) "
        f"from ({_first_names(table, 'wanted', 'dhash')}) group by dhash"
    ).fetchall()
    return dict(found)


def _ragged(counts: Rows) -> tuple[Rows, Rows]:
    """Return the group of each member of groups of `counts` members, and its index in the group."""
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)


def _even_share(sizes: Rows, most: int) -> int:
    """Return the largest bound on sizes such that their sum is at most `most`; 0 if there is none.

    One more for each of the sizes that it bounds would be too many. With at most `most` sizes, their sum with
    the bound is thus more than half of `most`, or the sum of all.
    """
    return bisect_right(range(1, most + 1), most, key=lambda bound: int(np.minimum(sizes, bound).sum()))
