"""Tables that earlier versions of faceml have begun, and that are continued as they were."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from faceml.config import LandmarkerConfig
from faceml.storage import StorageFolder
from faceml.tables import PLAN_FILE, read_metadata, read_shard_schema, shard_names

LATER_STEPS = {"second_look": "a second look", "confirm": "rejecting implausible faces"}
"""Steps that versions of faceml added to the detection, by setting; earlier tables are without them."""

logger = logging.getLogger(__name__)


def defaults_of_earlier_versions(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what versions of faceml did that did not have these settings, by dotted key.

    Args:
        settings: Settings of a table by dotted key.
    """
    earlier: dict[str, Any] = {}
    if "landmarker.max_faces" in settings:
        earlier |= {"landmarker.keep": "largest", "landmarker.zoom_levels": 1}
    for section in ("landmarker", "faces"):
        if f"{section}.max_faces" in settings:
            earlier |= {f"{section}.{step}": False for step in LATER_STEPS}
    return earlier


def earlier_settings(table: str, section: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a detector with which a table of an earlier version of faceml is continued.

    Args:
        table: Folder of the table, a path or URI.
        section: Section of the detector's settings in the table's metadata, `landmarker` or `faces`.
        given: Settings of the configuration.

    Returns:
        Values that replace those of `given`; none for a new table, or one of this version.
    """
    folder = StorageFolder(table)
    names = shard_names(folder) or ([PLAN_FILE] if folder.has(PLAN_FILE) else [])
    if not names:
        return {}
    metadata = read_metadata(read_shard_schema(folder, names[0]), f"{folder.uri}/{names[0]}")
    stored = json.loads(metadata["faceml.extraction"]).get(section, {})
    missing = [step for step in LATER_STEPS if "max_faces" in stored and step not in stored]
    left_out = [LATER_STEPS[step] for step in missing if given[step]]
    if left_out:
        logger.info(
            "%s was begun by an earlier version of faceml. It is continued without %s.",
            folder.uri,
            " and without ".join(left_out),
        )
    # Before the second look, the default was another.
    is_default = section == "landmarker" and given["max_faces"] == LandmarkerConfig().max_faces
    has_earlier_default = "second_look" in missing and is_default
    return dict.fromkeys(missing, False) | ({"max_faces": stored["max_faces"]} if has_earlier_default else {})
