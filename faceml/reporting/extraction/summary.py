"""What an extraction found, as figures and as a table for the terminal."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.table import Table

from faceml.page import INTERVAL, percent, percent_range
from faceml.runs import SUMMARY_FILE
from faceml.statistics import wilson_interval
from faceml.tables import STATUSES


@dataclass(frozen=True)
class ExtractionSummary:
    """Counts over a landmark table, and the speed of the run that completed it.

    Attributes:
        by_status: Images for each status that occurs.
        by_folder: For each folder the number of images and of those with landmarks.
        new_images: Images that this run looked at; the others were in the table already.
        images_per_second: Over `new_images`, from the first image's start to the last one's end.
        wall_s: The whole run, with start-up.
    """

    by_status: dict[str, int]
    by_folder: dict[str, tuple[int, int]]
    new_images: int
    images_per_second: float
    wall_s: float

    @property
    def images(self) -> int:
        """Rows of the table."""
        return sum(self.by_status.values())

    @property
    def detection_rate(self) -> float:
        """Share of all images found that have landmarks, 0 to 1."""
        return self.by_status.get("ok", 0) / max(1, self.images)

    def folders_below(self, rate: float) -> list[str]:
        """Name the folders whose detection rate is below `rate`."""
        return [name for name, (images, ok) in self.by_folder.items() if ok < rate * images]

    def lowest_folders(self, most: int) -> list[tuple[str, int, int]]:
        """Return name, images and images with landmarks of the folders with the lowest detection rates."""
        counts = [(name, images, ok) for name, (images, ok) in self.by_folder.items()]
        return sorted(counts, key=lambda folder: folder[2] / folder[1])[:most]

    def as_json(self) -> dict[str, Any]:
        """Return what `summary.json` holds."""
        return {
            "images": self.images,
            **{status: self.by_status.get(status, 0) for status in STATUSES},
            "detection_rate": round(self.detection_rate, 6),
            "new_images": self.new_images,
            "images_per_second": round(self.images_per_second, 2),
            "wall_s": round(self.wall_s, 2),
            "folders": {
                name: {"images": images, "ok": ok, "detection_rate": round(ok / images, 6)}
                for name, (images, ok) in self.by_folder.items()
            },
        }


def summarize_table(table: pa.Table, new_images: int, busy_s: float, wall_s: float) -> ExtractionSummary:
    """Count a landmark table.

    Args:
        table: With the columns `folder` and `status`.
        new_images: Images looked at in this run.
        busy_s: Seconds from the first image's start to the last one's end.
        wall_s: Seconds of the whole run.
    """
    counts = table.group_by(["folder", "status"]).aggregate([([], "count_all")]).to_pylist()
    by_status, images, ok = Counter[str](), Counter[str](), Counter[str]()
    for count in counts:
        by_status[count["status"]] += count["count_all"]
        images[count["folder"]] += count["count_all"]
        ok[count["folder"]] += count["count_all"] if count["status"] == "ok" else 0
    return ExtractionSummary(
        by_status=dict(by_status.most_common()),
        by_folder={name: (images[name], ok[name]) for name in sorted(images)},
        new_images=new_images,
        images_per_second=new_images / busy_s if busy_s > 0 else 0.0,
        wall_s=wall_s,
    )


def read_summary(folder: Path) -> ExtractionSummary:
    """Read the `summary.json` of an extraction."""
    stored = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
    return ExtractionSummary(
        by_status={status: stored[status] for status in STATUSES if stored[status]},
        by_folder={name: (counts["images"], counts["ok"]) for name, counts in stored["folders"].items()},
        new_images=stored["new_images"],
        images_per_second=stored["images_per_second"],
        wall_s=stored["wall_s"],
    )


def status_table(summary: ExtractionSummary) -> Table:
    """Return the counts by status."""
    table = Table(title=f"{summary.images:,} images", title_justify="left")
    table.add_column("status")
    table.add_column("images", justify="right")
    table.add_column("share", justify="right")
    for status, count in summary.by_status.items():
        table.add_row(status, f"{count:,}", f"{count / summary.images:.1%}")
    return table


def folder_table(summary: ExtractionSummary, warn_below: float, most: int = 20) -> Table:
    """Return the detection rate by folder with its 95 % interval, at most `most`, lowest first."""
    table = Table(title="Detection rate by folder, lowest first", title_justify="left")
    table.add_column("folder")
    table.add_column("images", justify="right")
    table.add_column("with landmarks", justify="right")
    table.add_column("rate", justify="right")
    table.add_column(INTERVAL, justify="right")
    for name, images, ok in summary.lowest_folders(most):
        style = "yellow" if ok < warn_below * images else ""
        interval = percent_range(wilson_interval(ok, images))
        table.add_row(name or ".", f"{images:,}", f"{ok:,}", percent(ok / images), interval, style=style)
    if len(summary.by_folder) > most:
        table.caption = f"and {len(summary.by_folder) - most} more folders"
    return table
