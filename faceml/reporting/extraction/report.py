"""What a report says of an extraction."""

import json
from pathlib import Path

from faceml.config import ExtractConfig, load_yaml, parse_config
from faceml.page import INTERVAL, Chapter, DataTable, Headline, Picture, Section, percent, percent_range, svg
from faceml.quality import ExtractionQuality, read_quality
from faceml.reporting.data_digest import data_facts
from faceml.reporting.extraction.figures import detection_rate_figure
from faceml.reporting.extraction.landmark_sheet import Tile, folder_name, landmark_tiles
from faceml.reporting.extraction.quality import quality_sections
from faceml.reporting.extraction.sheet_pictures import TILE_PX, sheet_pictures
from faceml.reporting.extraction.summary import ExtractionSummary, read_summary
from faceml.runs import CONFIG_FILE
from faceml.statistics import wilson_interval
from faceml.tables import table_metadata_of

NUM_LANDMARKS = 5
MOST_FOLDERS = 24


def extraction_chapter(
    run_folder: Path, title: str = "Landmarks", quality: ExtractionQuality | None = None
) -> Chapter:
    """Return what the run folder of an extraction and its landmark table have to say.

    Args:
        run_folder: With `config.yaml` and `summary.json`.
        title: Of the chapter.
        quality: Of the table; by default what the run folder's `quality.json` says, if it has one.
    """
    text = (run_folder / CONFIG_FILE).read_text(encoding="utf-8")
    config = parse_config(ExtractConfig, load_yaml(text))
    summary = read_summary(run_folder)
    embed = config.output.embed
    # Landmarks are told of the whole image, which an aligned copy does not show.
    images = None if embed and not embed.align else config.data.root
    tiles = landmark_tiles(config.output.table, images, config.report_faces, NUM_LANDMARKS, TILE_PX)
    detector = json.loads(table_metadata_of(config.output.table)["faceml.detector"])
    quality = quality or read_quality(run_folder)
    findings = quality_sections(quality, config.output.table, images) if quality else []
    return Chapter(
        title=title,
        headlines=_headlines(summary),
        sections=[_detection(summary, config.min_detection_rate), _overlays(tiles), *findings],
        config=text,
        facts=[
            (f"{title}: detector", f"{detector['name']} {detector['version']}"),
            (f"{title}: model SHA-256", detector["model_sha256"]),
            *data_facts(title, {"table": config.output.table}),
            (f"{title}: wall time", f"{summary.wall_s:,.0f} s"),
        ],
    )


def _headlines(summary: ExtractionSummary) -> list[Headline]:
    ok = summary.by_status.get("ok", 0)
    interval = percent_range(wilson_interval(ok, summary.images))
    return [
        Headline("Images", f"{summary.images:,}", f"in folders: {len(summary.by_folder):,}"),
        Headline(
            "With landmarks",
            percent(summary.detection_rate),
            f"{ok:,} images; {INTERVAL} {interval}",
        ),
        Headline(
            "Images per second",
            f"{summary.images_per_second:,.1f}",
            f"over the {summary.new_images:,} that this run looked at",
        ),
    ]


def _detection(summary: ExtractionSummary, warn_below: float) -> Section:
    low = [folder_name(name) for name in summary.folders_below(warn_below)]
    worst, total, ok = summary.lowest_folders(1)[0]
    finding = (
        f"Below {percent(warn_below, 0)}: {', '.join(low[:MOST_FOLDERS])}."
        if low
        else f"No folder is below {percent(warn_below, 0)}."
    )
    folders, shown = len(summary.by_folder), min(MOST_FOLDERS, len(summary.by_folder))
    selection = f" The {shown} lowest of {folders:,} folders." if shown < folders else ""
    return Section(
        title="Where faces were found",
        text=[f"{percent(summary.detection_rate)} of the images have landmarks. {finding}"],
        pictures=[
            Picture(
                title="Images with landmarks, by folder",
                data=svg(detection_rate_figure(summary, warn_below, MOST_FOLDERS)),
                media_type="image/svg+xml",
                alt=f"Bars of the detection rate of {shown} folders. The lowest is {folder_name(worst)} with "
                f"{ok:,} of {total:,} images. {finding}",
                caption="Shares of all images found, with 95 % Wilson intervals. The dotted line is the "
                f"{percent(warn_below, 0)} below which a folder is warned about.{selection}",
            )
        ],
        tables=[
            DataTable(
                title="Images by status",
                header=["status", "images", "share"],
                rows=[
                    [status, f"{count:,}", percent(count / summary.images)]
                    for status, count in summary.by_status.items()
                ],
            )
        ],
    )


def _overlays(tiles: list[Tile]) -> Section:
    return Section(
        title="What was found",
        text=[
            f"A random sample of {len(tiles)} images that takes turns among the folders. Points on the "
            "viewer's left are blue, on the right orange, in the middle white. Images without landmarks come "
            "last, framed."
        ],
        pictures=sheet_pictures(tiles, "Sample", f"images with the {NUM_LANDMARKS} landmarks found on each"),
    )
