"""Summary of an extraction and its tables."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from faceml.page import INTERVAL, DataTable, percent, percent_range
from faceml.runs import SUMMARY_FILE
from faceml.statistics import wilson_interval
from faceml.tables import STATUSES, first_rows, qualified_folders


@dataclass(frozen=True)
class ExtractionSummary:
    """Counts over a landmark table, and the speed of the run that completed it.

    Attributes:
        by_status: Number of images of each status.
        by_look: Number of faces by the part of them in which the face was found; empty if the table was made
            without a second look.
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
        counts = [(name, images, ok) for name, (images, ok) in self.by_folder.items()]
        return sorted(counts, key=lambda folder: folder[2] / folder[1])[:most]

    def as_json(self) -> dict[str, Any]:
        """Return the content of `summary.json`."""
        return {
            "images": self.images,
            **{status: self.by_status.get(status, 0) for status in STATUSES},
            "detection_rate": round(self.detection_rate, 6),
            "faces": self.faces,
            "looks": self.by_look,
            "new_images": self.new_images,
            "images_per_second": round(self.images_per_second, 2),
            "wall_s": round(self.wall_s, 2),
            "folders": {
                name: {"images": images, "ok": ok, "detection_rate": round(ok / images, 6)}
                for name, (images, ok) in self.by_folder.items()
            },
            **({"sources": self.by_source} if self.by_source else {}),
        }


def summarize_table(table: pa.Table, new_images: int, busy_s: float, wall_s: float) -> ExtractionSummary:
    """Summarize a landmark table.

    Args:
        table: Table with the columns `folder` and `status`, with `source` if it has several, `look` if it has
            a second look, and `image_id` and `face` if it has all faces.
        new_images: Number of images processed by this run.
        busy_s: Seconds from the start of the first image to the end of the last one.
        wall_s: Wall time of the run in seconds.
    """
    named = first_rows(table)
    named = named.set_column(named.schema.get_field_index("folder"), "folder", qualified_folders(named))
    keys = [name for name in ("source", "folder", "status") if name in table.column_names]
    counts = named.group_by(keys).aggregate([([], "count_all")]).to_pylist()
    by_status, images, ok, sources = Counter[str](), Counter[str](), Counter[str](), dict[str, Counter[str]]()
    for count in counts:
        by_status[count["status"]] += count["count_all"]
        if "source" in count:
            sources.setdefault(count["source"], Counter())[count["status"]] += count["count_all"]
        images[count["folder"]] += count["count_all"]
        ok[count["folder"]] += count["count_all"] if count["status"] == "ok" else 0
    looks = Counter[str]()
    if "look" in table.column_names:
        found = table["look"].drop_null().value_counts().to_pylist()
        looks.update({count["values"]: count["counts"] for count in found})
    return ExtractionSummary(
        by_status=dict(by_status.most_common()),
        by_look=dict(looks.most_common()),
        by_folder={name: (images[name], ok[name]) for name in sorted(images)},
        new_images=new_images,
        images_per_second=new_images / busy_s if busy_s > 0 else 0.0,
        wall_s=wall_s,
        by_source={name: dict(sources[name].most_common()) for name in sorted(sources)},
        faces=pc.sum(pc.equal(table["status"], "ok")).as_py() or 0,
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
