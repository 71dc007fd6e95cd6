"""Sections on the quality of a landmark table: head pose, duplicates, implausible landmarks."""

from collections.abc import Sequence
from dataclasses import replace

from faceml.config import ExtractConfig, folder_beside, load_yaml, parse_config
from faceml.datasets import ImageFiles
from faceml.page import TILE_PX, Picture, Section, Tile, chart_picture, fit, percent, sheet_pictures
from faceml.quality import NUM_LANDMARKS, TURNED_DEG, ExtractionQuality, NearPair, Overlap
from faceml.reporting.extraction.figures import pose_figure
from faceml.reporting.extraction.landmark_sheet import chosen_tiles
from faceml.reporting.extraction.quality_tables import (
    duplicate_tables,
    implausible_tables,
    labels,
    pose_tables,
)
from faceml.reporting.extraction.table_images import TableImage, column_names, read_images
from faceml.runs import CONFIG_FILE
from faceml.storage import StorageFolder

MOST_PAIRS, MOST_CONFLICTS = 6, 8


def quality_sections(quality: ExtractionQuality, table: str, images: ImageFiles | None) -> list[Section]:
    """Return the sections on head pose, duplicates and implausible landmarks.

    Args:
        quality: Quality of the table.
        table: Landmark table, a path or URI.
        images: The folder that was extracted; None reads the copies in the table.
    """
    sections = [_pose(quality)] if quality.pose else []
    sections.append(_duplicates(quality, table, images))
    if quality.least_plausible:
        sections.append(_implausible(quality, table, images))
    return sections


def _pose(quality: ExtractionQuality) -> Section:
    turned = {angle.name: percent(angle.turned) for angle in quality.pose}
    middles = {angle.name: (angle.percentiles_deg[0], angle.percentiles_deg[-1]) for angle in quality.pose}
    return Section(
        title="Head pose",
        text=[
            f"Absolute angles above {TURNED_DEG}°: yaw {turned['yaw']}, pitch {turned['pitch']}, roll "
            f"{turned['roll']} of the faces."
        ],
        pictures=[
            chart_picture(
                "Head pose",
                pose_figure(quality.pose),
                "Histograms of yaw, pitch and roll. 90 % of the faces lie within "
                + ", ".join(f"{low:.0f}° to {high:.0f}° of {name}" for name, (low, high) in middles.items()),
                f"Shares of the {quality.faces:,} faces in bins of 5°. Dotted lines are at ±{TURNED_DEG}°. "
                "Directions are as seen by the viewer.",
            )
        ],
        tables=pose_tables(quality),
    )


def _duplicates(quality: ExtractionQuality, table: str, images: ImageFiles | None) -> Section:
    shared = [
        f"{overlap.near[0]:,} of {overlap.images[0]:,} images have a near-duplicate in {overlap.name}; "
        f"{overlap.identical:,} are identical files."
        for overlap in quality.overlaps
    ]
    pairs = [
        picture
        for overlap in quality.overlaps
        for picture in _pair_sheets(overlap, table, images, has_sources=quality.has_sources)
    ]
    return Section(
        title="Duplicate images",
        text=[
            *shared,
            f"Identical files in folders of different labels: {_conflicts(quality)}.",
        ],
        pictures=[*pairs, *_conflict_sheets(quality, table, images)],
        tables=duplicate_tables(quality),
    )


def _pair_sheets(
    overlap: Overlap, table: str, images: ImageFiles | None, *, has_sources: bool
) -> list[Picture]:
    """Return the closest pairs side by side, one pair per image, if both files still exist."""
    closest: dict[str, NearPair] = {}
    for pair in overlap.pairs:
        closest.setdefault(pair.image_id, pair)
    pairs = list(closest.values())[: 2 * MOST_PAIRS]
    here = read_images(table, images, [pair.image_id for pair in pairs])
    there = _images_elsewhere(overlap.table, [pair.other_id for pair in pairs])
    theirs_have = "source" in column_names(overlap.table)
    found = [(p, a, b) for p, a, b in zip(pairs, here, there, strict=True) if a and b][:MOST_PAIRS]
    tiles = [
        tile
        for number, (pair, ours, theirs) in enumerate(found, start=1)
        for other in [labels([pair.other_id], has_sources=theirs_have)]
        for tile in (
            Tile(fit(ours.pixels, TILE_PX), f"{number}: {labels([pair.image_id], has_sources=has_sources)}"),
            Tile(
                fit(theirs.pixels, TILE_PX),
                f"{number}: {overlap.name}, {labels([pair.other_id], has_sources=theirs_have)}",
            ),
        )
    ]
    return sheet_pictures(
        tiles,
        f"Near-duplicates in {overlap.name}",
        f"images in pairs of near-duplicates, from this table and from {overlap.name}",
        f"The closest pairs, numbered: an image of this table, then its near-duplicate in {overlap.name}.",
    )


def _conflict_sheets(quality: ExtractionQuality, table: str, images: ImageFiles | None) -> list[Picture]:
    groups = quality.conflicts[:MOST_CONFLICTS]
    found = read_images(table, images, [group[0] for group in groups])
    tiles = [
        Tile(fit(image.pixels, TILE_PX), labels(group, has_sources=quality.has_sources))
        for group, image in zip(groups, found, strict=True)
        if image
    ]
    return sheet_pictures(tiles, "Identical files with different labels", "images, each with its labels")


def _implausible(quality: ExtractionQuality, table: str, images: ImageFiles | None) -> Section:
    found = quality.least_plausible
    names = [face.image_id for face in found]
    tiles = chosen_tiles(table, images, names, NUM_LANDMARKS, TILE_PX, close_up=True)
    return Section(
        title="Least plausible landmarks",
        text=[
            "Mahalanobis distance of the landmarks' shape, without position, size and in-plane rotation, "
            "from the mean shape expected at the head's yaw and pitch. The median over all faces is "
            f"{quality.median_distance:.1f}. Large distances are mostly detection errors, sometimes rare "
            "faces."
        ],
        pictures=sheet_pictures(
            [
                replace(tile, caption=f"{i.distance:.1f}: {tile.caption}")
                for tile, i in zip(tiles, found, strict=True)
            ],
            f"{len(found)} least plausible faces",
            "faces with their landmarks",
            "Distance and label. Landmarks on the viewer's left are blue, on the right orange, in the middle "
            "white.",
        ),
        tables=implausible_tables(found),
    )


def _images_elsewhere(table: str, image_ids: Sequence[str]) -> list[TableImage | None]:
    """Read images of another table: its copies, or files below the root folder in its run's configuration."""
    if "image_jpeg" in column_names(table):
        return read_images(table, None, image_ids)
    run_folder = StorageFolder(folder_beside(table))
    config = run_folder.read(CONFIG_FILE) if run_folder.has(CONFIG_FILE) else None
    if not isinstance(config, bytes):
        return [None] * len(image_ids)
    data = parse_config(ExtractConfig, load_yaml(config.decode())).data
    return read_images(table, ImageFiles(data.root, follow_links=data.follow_links), image_ids)


def _conflicts(quality: ExtractionQuality) -> str:
    return f"{quality.num_conflicts:,}" if quality.num_conflicts else "none"
