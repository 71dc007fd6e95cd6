"""What a report says of the quality of an extraction."""

from collections.abc import Sequence
from dataclasses import replace

from faceml.config import folder_beside, load_yaml
from faceml.page import Picture, Section, fit, percent, svg
from faceml.quality import NUM_LANDMARKS, TURNED_DEG, ExtractionQuality, NearPair, Overlap
from faceml.reporting.extraction.figures import pose_figure
from faceml.reporting.extraction.landmark_sheet import Tile, chosen_tiles
from faceml.reporting.extraction.quality_tables import (
    duplicate_tables,
    implausible_tables,
    labels,
    pose_tables,
)
from faceml.reporting.extraction.sheet_pictures import TILE_PX, sheet_pictures
from faceml.reporting.extraction.table_images import TableImage, column_names, read_images
from faceml.runs import CONFIG_FILE
from faceml.storage import StorageFolder

MOST_PAIRS, MOST_CONFLICTS = 6, 8


def quality_sections(quality: ExtractionQuality, table: str, images_root: str | None) -> list[Section]:
    """Return the sections on head pose, duplicates and implausible landmarks.

    Args:
        quality: Of the table.
        table: Landmark table, a path or URI.
        images_root: The folder that was extracted; None reads the training copies in the table.
    """
    sections = [_pose(quality)] if quality.pose else []
    sections.append(_duplicates(quality, table, images_root))
    if quality.least_plausible:
        sections.append(_implausible(quality, table, images_root))
    return sections


def _pose(quality: ExtractionQuality) -> Section:
    turned = {angle.name: percent(angle.turned) for angle in quality.pose}
    middles = {angle.name: (angle.percentiles_deg[0], angle.percentiles_deg[-1]) for angle in quality.pose}
    return Section(
        title="Which way the faces look",
        text=[
            f"{turned['yaw']} of the faces are turned to a side by more than {TURNED_DEG}°, "
            f"{turned['pitch']} up or down, and {turned['roll']} are tilted as much."
        ],
        pictures=[
            Picture(
                title="Head pose",
                data=svg(pose_figure(quality.pose)),
                media_type="image/svg+xml",
                alt="Histograms of yaw, pitch and roll. Nine in ten faces lie within "
                + ", ".join(f"{low:.0f}° to {high:.0f}° of {name}" for name, (low, high) in middles.items()),
                caption=f"Shares of the {quality.faces:,} faces, for every 5°. Dotted lines are at "
                f"±{TURNED_DEG}°. Right and clockwise are the viewer's.",
            )
        ],
        tables=pose_tables(quality),
    )


def _duplicates(quality: ExtractionQuality, table: str, images_root: str | None) -> Section:
    shared = [
        f"{overlap.near[0]:,} of {overlap.images[0]:,} images have a near-duplicate in {overlap.name}; "
        f"{overlap.identical:,} are there as the very same file."
        for overlap in quality.overlaps
    ]
    pairs = [picture for overlap in quality.overlaps for picture in _pair_sheets(overlap, table, images_root)]
    return Section(
        title="Images that come twice",
        text=[
            *shared,
            f"Files in more than one folder, the same image under several labels: {_conflicts(quality)}.",
        ],
        pictures=[*pairs, *_conflict_sheets(quality, table, images_root)],
        tables=duplicate_tables(quality),
    )


def _pair_sheets(overlap: Overlap, table: str, images_root: str | None) -> list[Picture]:
    """Return the closest pairs side by side, one of each image, if both are still there."""
    closest: dict[str, NearPair] = {}
    for pair in overlap.pairs:
        closest.setdefault(pair.image_id, pair)
    pairs = list(closest.values())[: 2 * MOST_PAIRS]
    here = read_images(table, images_root, [pair.image_id for pair in pairs])
    there = _images_elsewhere(overlap.table, [pair.other_id for pair in pairs])
    found = [(p, a, b) for p, a, b in zip(pairs, here, there, strict=True) if a and b][:MOST_PAIRS]
    tiles = [
        tile
        for number, (pair, ours, theirs) in enumerate(found, start=1)
        for tile in (
            Tile(fit(ours.pixels, TILE_PX), f"{number}: {labels([pair.image_id])}"),
            Tile(fit(theirs.pixels, TILE_PX), f"{number}: {overlap.name}, {labels([pair.other_id])}"),
        )
    ]
    return sheet_pictures(
        tiles,
        f"Near-duplicates in {overlap.name}",
        f"images, in pairs of one of this table and one of {overlap.name} that nearly equals it",
        f"The closest pairs, each with its number: an image of this table, then one of {overlap.name}.",
    )


def _conflict_sheets(quality: ExtractionQuality, table: str, images_root: str | None) -> list[Picture]:
    groups = quality.conflicts[:MOST_CONFLICTS]
    images = read_images(table, images_root, [group[0] for group in groups])
    tiles = [
        Tile(fit(image.pixels, TILE_PX), labels(group))
        for group, image in zip(groups, images, strict=True)
        if image
    ]
    return sheet_pictures(
        tiles, "The same file under several labels", "images, each with the labels under which it lies"
    )


def _implausible(quality: ExtractionQuality, table: str, images_root: str | None) -> Section:
    found = quality.least_plausible
    image_ids = [image.image_id for image in found]
    tiles = chosen_tiles(table, images_root, image_ids, NUM_LANDMARKS, TILE_PX, close_up=True)
    return Section(
        title="Least plausible landmarks",
        text=[
            "The distance says how far the shape of the landmarks, whatever its place, size and tilt, is "
            "from what is usual for the head's yaw and pitch, in standard deviations. For half of all faces "
            f"it is below {quality.median_distance:.1f}. Large ones are often errors, sometimes rare faces."
        ],
        pictures=sheet_pictures(
            [
                replace(tile, caption=f"{i.distance:.1f}: {tile.caption}")
                for tile, i in zip(tiles, found, strict=True)
            ],
            f"The {len(found)} least plausible",
            "faces with their landmarks",
            "Distance and label of each. Points on the viewer's left are blue, on the right orange, in the "
            "middle white.",
        ),
        tables=implausible_tables(found),
    )


def _images_elsewhere(table: str, image_ids: Sequence[str]) -> list[TableImage | None]:
    """Read images of another table: its copies, or those of the folder that its run says was extracted."""
    if "image_jpeg" in column_names(table):
        return read_images(table, None, image_ids)
    run_folder = StorageFolder(folder_beside(table))
    config = run_folder.read(CONFIG_FILE) if run_folder.has(CONFIG_FILE) else None
    if not isinstance(config, bytes):
        return [None] * len(image_ids)
    return read_images(table, load_yaml(config.decode())["data"]["root"], image_ids)


def _conflicts(quality: ExtractionQuality) -> str:
    return f"{quality.num_conflicts:,}" if quality.num_conflicts else "none"
