"""Tables on the quality of a landmark table."""

from collections.abc import Sequence

from faceml.page import DataTable, percent
from faceml.quality import ANGLES, PERCENTILES, TURNED_DEG, ExtractionQuality, Implausible, Overlap
from faceml.reporting.extraction.landmark_sheet import folder_name

MOST_SHOWN = 10
MOST_IMPLAUSIBLE_SHOWN = 5
MOST_NAMED = 4
"""Number of paths listed for a file with many copies."""


def quality_tables(quality: ExtractionQuality) -> list[DataTable]:
    """Return the tables for the terminal: head pose, duplicates, and the least plausible landmarks."""
    return [
        *pose_tables(quality),
        *duplicate_tables(quality),
        *implausible_tables(quality.least_plausible[:MOST_IMPLAUSIBLE_SHOWN]),
    ]


def pose_tables(quality: ExtractionQuality) -> list[DataTable]:
    """Return the percentiles of yaw, pitch and roll; nothing without faces."""
    header = ["angle", *("median" if p == 50 else f"{p} %" for p in PERCENTILES), f"beyond ±{TURNED_DEG}°"]
    rows = [
        [
            f"{angle.name}, {ANGLES[angle.name]}",
            *(f"{degrees:.1f}".replace("-", "−") for degrees in angle.percentiles_deg),
            percent(angle.turned),
        ]
        for angle in quality.pose
    ]
    title = f"Head pose in degrees, as seen by the viewer: percentiles of {quality.faces:,} faces"
    return [DataTable(title=title, header=header, rows=rows)] if rows else []


def duplicate_tables(quality: ExtractionQuality) -> list[DataTable]:
    """Return near-duplicates in other tables, with examples, and identical files with different labels."""
    tables = [
        DataTable(
            title=f"Near-duplicates in other tables, up to {quality.max_hash_distance} of 64 hash bits",
            header=["table", "pairs", "images here", "images there", "identical"],
            rows=[
                [
                    overlap.name,
                    f"{overlap.num_pairs:,}",
                    *(
                        f"{near:,} of {all_:,}"
                        for near, all_ in zip(overlap.near, overlap.images, strict=True)
                    ),
                    f"{overlap.identical:,}",
                ]
                for overlap in quality.overlaps
            ],
        ),
        *(_pair_table(overlap) for overlap in quality.overlaps),
        DataTable(
            title="Identical files with different labels" + _shown(quality.num_conflicts),
            header=["labels", "images"],
            rows=[
                [labels(group, has_sources=quality.has_sources), _named(group)]
                for group in quality.conflicts[:MOST_SHOWN]
            ],
        ),
    ]
    return [table for table in tables if table.rows]


def implausible_tables(images: Sequence[Implausible]) -> list[DataTable]:
    """Return the faces with the least plausible landmarks; nothing without faces."""
    rows = [[image.image_id, f"{image.distance:.1f}"] for image in images]
    title = "Least plausible landmarks"
    return [DataTable(title=title, header=["image", "distance"], rows=rows)] if rows else []


def labels(image_ids: Sequence[str], *, has_sources: bool = False) -> str:
    """Return the labels of the folders that images are in, after the source that their names begin with."""
    depth = 2 if has_sources else 1
    folders = ("/".join(image_id.split("/")[:-1][:depth]) for image_id in image_ids)
    return ", ".join(dict.fromkeys(folder_name(folder) for folder in folders))


def _pair_table(overlap: Overlap) -> DataTable:
    return DataTable(
        title=f"Near-duplicates in {overlap.name}" + _shown(overlap.num_pairs),
        header=["image", f"in {overlap.name}", "bits"],
        rows=[[pair.image_id, pair.other_id, str(pair.bits)] for pair in overlap.pairs[:MOST_SHOWN]],
    )


def _shown(number: int) -> str:
    return f", {MOST_SHOWN} of {number:,}" if number > MOST_SHOWN else ""


def _named(image_ids: Sequence[str]) -> str:
    more = len(image_ids) - MOST_NAMED
    return ", ".join(image_ids[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
