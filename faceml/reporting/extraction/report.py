"""Report of an extraction."""

import json
from pathlib import Path

from faceml.config import ExtractConfig, load_yaml, parse_config
from faceml.datasets import ImageFiles
from faceml.page import (
    INTERVAL,
    TILE_PX,
    Chapter,
    Headline,
    Section,
    Tile,
    chart_picture,
    percent,
    percent_range,
    sheet_pictures,
)
from faceml.quality import ExtractionQuality, read_quality
from faceml.reporting.extraction.figures import detection_rate_figure
from faceml.reporting.extraction.landmark_sheet import folder_name, landmark_tiles
from faceml.reporting.extraction.quality import quality_sections
from faceml.reporting.extraction.summary import (
    ExtractionSummary,
    look_tables,
    read_summary,
    rejected_tables,
    source_tables,
    status_table,
)
from faceml.reporting.provenance import data_fact
from faceml.runs import CONFIG_FILE
from faceml.statistics import wilson_interval
from faceml.tables import TableSelection, build_limits, table_metadata_of

NUM_LANDMARKS = 5
MOST_FOLDERS = 24


def extraction_chapter(
    run_folder: Path, title: str = "Landmarks", quality: ExtractionQuality | None = None
) -> Chapter:
    """Return the report of the extraction in a run folder, with images of its landmark table.

    Args:
        run_folder: Folder with `config.yaml` and `summary.json`.
        title: Title of the chapter.
        quality: Quality of the table; by default that of the run folder's `quality.json`, if it exists.

    Raises:
        ConfigError: The landmark table cannot be read.
    """
    text = (run_folder / CONFIG_FILE).read_text(encoding="utf-8")
    config = parse_config(ExtractConfig, load_yaml(text))
    summary = read_summary(run_folder)
    embed = config.output.embed
    # Landmarks are positions in the whole image, which an aligned copy does not show.
    data = config.data
    is_copied = embed is not None and not embed.align
    images = None if is_copied else ImageFiles(data.root, follow_links=data.follow_links)
    is_of_all = config.landmarker.max_faces == 0
    limits = build_limits(config.queries)
    tiles = landmark_tiles(
        config.output.table, images, config.report_faces, NUM_LANDMARKS, TILE_PX, limits=limits
    )
    detector = json.loads(table_metadata_of(config.output.table)["faceml.detector"])
    quality = quality or read_quality(run_folder)
    findings = quality_sections(quality, config.output.table, images) if quality else []
    return Chapter(
        title=title,
        headlines=_headlines(summary),
        sections=[
            _detection(summary, config.min_detection_rate),
            _overlays(tiles, all_faces=is_of_all),
            *findings,
        ],
        config=text,
        facts=[
            (f"{title}: detector", f"{detector['name']} {detector['version']}"),
            (f"{title}: model SHA-256", detector["model_sha256"]),
            data_fact(f"{title}: table", TableSelection(config.output.table)),
            (f"{title}: wall time", f"{summary.wall_s:,.0f} s"),
        ],
    )


def _headlines(summary: ExtractionSummary) -> list[Headline]:
    ok = summary.by_status.get("ok", 0)
    interval = percent_range(wilson_interval(ok, summary.images))
    faces = f"{summary.faces / max(1, ok):.1f} in each image with landmarks"
    return [
        Headline("Images", f"{summary.images:,}", f"in folders: {len(summary.by_folder):,}"),
        Headline(
            "With landmarks",
            percent(summary.detection_rate),
            f"{ok:,} images; {INTERVAL} {interval}",
        ),
        *([Headline("Faces", f"{summary.faces:,}", faces)] if summary.faces > ok else []),
        Headline(
            "Images per second",
            f"{summary.images_per_second:,.1f}",
            f"over the {summary.new_images:,} images processed by this run",
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
    selection = f" The {shown} lowest of {folders:,} folders are shown." if shown < folders else ""
    return Section(
        title="Detection rate",
        text=[f"{percent(summary.detection_rate)} of the images have landmarks. {finding}"],
        pictures=[
            chart_picture(
                "Images with landmarks, by folder",
                detection_rate_figure(summary, warn_below, MOST_FOLDERS),
                f"Bars of the detection rate of {shown} folders. The lowest is {folder_name(worst)} with "
                f"{ok:,} of {total:,} images. {finding}",
                "Shares of all images, with 95 % Wilson intervals. The dotted line marks the warning "
                f"threshold of {percent(warn_below, 0)}.{selection}",
            )
        ],
        tables=[
            status_table(summary),
            *look_tables(summary),
            *rejected_tables(summary),
            *source_tables(summary),
        ],
    )


def _overlays(tiles: list[Tile], *, all_faces: bool) -> Section:
    boxes = "Boxes are around the face meshes. " if all_faces else ""
    return Section(
        title="Sample of detected landmarks",
        text=[
            f"A random sample of {len(tiles)} images, balanced over the folders. {boxes}Landmarks on the "
            "viewer's left are blue, on the right orange, in the middle white. Images without landmarks come "
            "last, framed."
        ],
        pictures=sheet_pictures(tiles, "Sample", f"images with their {NUM_LANDMARKS} detected landmarks"),
    )
