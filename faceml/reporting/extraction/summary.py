"""Summary of an extraction and its tables."""

import json
from dataclasses import dataclass, field
from heapq import nsmallest
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa

from faceml.page import INTERVAL, DataTable, percent, percent_range
from faceml.runs import SUMMARY_FILE
from faceml.statistics import wilson_interval
from faceml.tables import (
    DEFAULT_LIMITS,
    STATUSES,
    QueryLimits,
    TableScan,
    first_row,
    load_table,
    open_database,
)

COUNTED_COLUMNS = ("source", "folder", "status", "look", "num_rejected", "face")
"""Columns of a landmark table that its summary counts, as far as it has them."""
REJECTED = ("no_face", "ok")
"""Status of the images in which detected faces were rejected."""


@dataclass(frozen=True)
class ExtractionSummary:
    """Counts over a landmark table, and the speed of the run that completed it.

    Attributes:
        by_status: Number of images of each status.
        by_look: Number of faces by the part of them in which the face was found; empty if the table was made
            without a second look.
        rejected: Number of images without landmarks in which a detected face was rejected, and of those with
            landmarks; None if the table was made without `landmarker.confirm`.
        by_folder: Number of images, and of those with landmarks, of each folder; its name is `source/folder`
            if the table has several sources.
        by_source: Number of images of each status, of each source; empty if the images have none.
        faces: Number of faces with landmarks, one for each image unless the table has all faces.
        new_images: Number of images processed by this run; the others were in the table before.
        images_per_second: Throughput over `new_images`, from the start of the first image to the end of the
            last one.
        wall_s: Wall time of the run in seconds, including start-up.
    """

    by_status: dict[str, int]
    by_look: dict[str, int]
    by_folder: dict[str, tuple[int, int]]
    new_images: int
    images_per_second: float
    wall_s: float
    by_source: dict[str, dict[str, int]] = field(default_factory=dict)
    faces: int = 0
    rejected: tuple[int, int] | None = None

    @property
    def images(self) -> int:
        """Number of images of the table."""
        return sum(self.by_status.values())

    @property
    def detection_rate(self) -> float:
        """Share of all images that have landmarks, 0 to 1."""
        return self.by_status.get("ok", 0) / max(1, self.images)

    def folders_below(self, rate: float) -> list[str]:
        """Return the folders whose detection rate is below `rate`."""
        return [name for name, (images, ok) in self.by_folder.items() if ok < rate * images]

    def lowest_folders(self, most: int) -> list[tuple[str, int, int]]:
        """Return name, images and images with landmarks of the folders with the lowest detection rates."""
        counts = ((name, images, ok) for name, (images, ok) in self.by_folder.items())
        return nsmallest(most, counts, key=lambda folder: folder[2] / folder[1])

    def as_json(self) -> dict[str, Any]:
        """Return the content of `summary.json`."""
        return {
            "images": self.images,
            **{status: self.by_status.get(status, 0) for status in STATUSES},
            "detection_rate": round(self.detection_rate, 6),
            "faces": self.faces,
            "looks": self.by_look,
            **({"rejected": dict(zip(REJECTED, self.rejected, strict=True))} if self.rejected else {}),
            "new_images": self.new_images,
            "images_per_second": round(self.images_per_second, 2),
            "wall_s": round(self.wall_s, 2),
            "folders": {
                name: {"images": images, "ok": ok, "detection_rate": round(ok / images, 6)}
                for name, (images, ok) in self.by_folder.items()
            },
            **({"sources": self.by_source} if self.by_source else {}),
        }


def summarize_table(
    rows: TableScan | pa.Table,
    new_images: int,
    busy_s: float,
    wall_s: float,
    limits: QueryLimits = DEFAULT_LIMITS,
) -> ExtractionSummary:
    """Summarize a landmark table.

    Args:
        rows: The table's columns of `COUNTED_COLUMNS`.
        new_images: Number of images processed by this run.
        busy_s: Seconds from the start of the first image to the end of the last one.
        wall_s: Wall time of the run in seconds.
        limits: Limits of memory.
    """
    source, look, num_rejected = (
        name if name in rows.schema.names else "null" for name in ("source", "look", "num_rejected")
    )
    folder = "folder" if source == "null" else "source || '/' || folder"
    first = first_row(rows.schema.names)
    with open_database(limits=limits) as database:
        columns = (
            f"{source} as source, {folder} as folder, status, {look} as look, "
            f"coalesce({num_rejected} > 0, false) as has_rejected"
        )
        counted = f"select {columns}, count(*) as faces, count(*) filter ({first}) as images from rows"
        load_table(database, "counts", rows, f"{counted} group by all")

        def count(keys: str, number: str = "images") -> list[Any]:
            return database.execute(
                f"select {keys}, sum({number})::bigint as number from counts group by {keys} "
                f"order by number desc, {keys}"
            ).fetchall()

        statuses, looks, sources = count("status"), count("look", "faces"), count("source, status")
        faces = dict(count("status", "faces")).get("ok", 0)
        rejected = {
            status: images for status, has_rejected, images in count("status, has_rejected") if has_rejected
        }
        folders = database.execute(
            "select folder, sum(images)::bigint, coalesce(sum(images) filter (status = 'ok'), 0)::bigint "
            "from counts group by folder order by folder"
        ).fetchall()
    by_source = dict[str, dict[str, int]]()
    for name, status, images in sorted((each for each in sources if each[0] is not None), key=itemgetter(0)):
        by_source.setdefault(name, {})[status] = images
    return ExtractionSummary(
        by_status=dict(statuses),
        by_look={name: images for name, images in looks if name is not None},
        by_folder={name: (images, found) for name, images, found in folders},
        new_images=new_images,
        images_per_second=new_images / busy_s if busy_s > 0 else 0.0,
        wall_s=wall_s,
        by_source=by_source,
        faces=faces,
        rejected=None if num_rejected == "null" else (rejected.get("no_face", 0), rejected.get("ok", 0)),
    )


def read_summary(folder: Path) -> ExtractionSummary:
    """Read the `summary.json` of an extraction."""
    stored = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
    return ExtractionSummary(
        by_status={status: stored[status] for status in STATUSES if stored[status]},
        by_look=stored.get("looks", {}),  # absent in summaries of faceml 0.1
        by_folder={name: (counts["images"], counts["ok"]) for name, counts in stored["folders"].items()},
        new_images=stored["new_images"],
        images_per_second=stored["images_per_second"],
        wall_s=stored["wall_s"],
        by_source=stored.get("sources", {}),
        faces=stored.get("faces", stored["ok"]),  # absent in summaries of tables with one face per image
        # Absent in summaries of tables without `landmarker.confirm`.
        rejected=tuple(stored["rejected"][status] for status in REJECTED) if "rejected" in stored else None,
    )


def status_table(summary: ExtractionSummary) -> DataTable:
    """Return the number of images by status."""
    rows = [
        [status, f"{count:,}", percent(count / summary.images)] for status, count in summary.by_status.items()
    ]
    return DataTable(f"Status of {summary.images:,} images", ["status", "images", "share"], rows)


def source_tables(summary: ExtractionSummary) -> list[DataTable]:
    """Return the numbers of images of each source by status, and its detection rate; none without sources."""
    statuses = [status for status in summary.by_status if status != "ok"]
    rows = []
    for name, counts in summary.by_source.items():
        images, ok = sum(counts.values()), counts.get("ok", 0)
        rate = [percent(ok / images), percent_range(wilson_interval(ok, images))]
        others = [f"{counts.get(status, 0):,}" for status in statuses]
        rows.append([name, f"{images:,}", percent(images / summary.images), f"{ok:,}", *rate, *others])
    header = ["source", "images", "share", "with landmarks", "rate", INTERVAL, *statuses]
    return [DataTable("Images and detection rate by source", header, rows)] if rows else []


def look_tables(summary: ExtractionSummary) -> list[DataTable]:
    """Return the number of faces by the look that found them; none if the table has no second look."""
    faces = sum(summary.by_look.values())
    rows = [[look, f"{count:,}", percent(count / faces)] for look, count in summary.by_look.items()]
    return [DataTable("Faces by look", ["look", "faces", "share"], rows)] if rows else []


def rejected_tables(summary: ExtractionSummary) -> list[DataTable]:
    """Return the number of images in which detected faces were rejected; none without such images."""
    if summary.rejected is None or not sum(summary.rejected):
        return []
    meanings = ("no_face: nothing else was found", "ok: another face was found")
    rows = [
        [meaning, f"{images:,}", percent(images / summary.images)]
        for meaning, images in zip(meanings, summary.rejected, strict=True)
    ]
    return [DataTable("Images with rejected faces", ["status", "images", "share"], rows)]


def folder_table(summary: ExtractionSummary, warn_below: float, most: int = 20) -> DataTable:
    """Return the detection rate by folder with its 95 % Wilson interval, lowest first.

    Args:
        summary: Summary of the extraction.
        warn_below: Folders with a lower rate are highlighted.
        most: Maximum number of folders.
    """
    folders = summary.lowest_folders(most)
    rows = [
        [
            name or ".",
            f"{images:,}",
            f"{ok:,}",
            percent(ok / images),
            percent_range(wilson_interval(ok, images)),
        ]
        for name, images, ok in folders
    ]
    selection = f", {most} of {len(summary.by_folder):,}" if len(summary.by_folder) > most else ""
    return DataTable(
        f"Detection rate by folder, lowest first{selection}",
        ["folder", "images", "with landmarks", "rate", INTERVAL],
        rows,
        highlighted=frozenset(
            number for number, (_, images, ok) in enumerate(folders) if ok < warn_below * images
        ),
    )
