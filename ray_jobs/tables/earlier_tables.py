"""Tables that versions of faceml before the second look have begun, and that are continued as they were."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from faceml.config import LandmarkerConfig
from faceml.storage import StorageFolder
from faceml.tables import PLAN_FILE, read_metadata, read_shard_schema, shard_names

logger = logging.getLogger(__name__)


def before_second_look(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what versions of faceml did that did not have these settings, by dotted key.

    Args:
        settings: Settings of a table by dotted key.
    """
    earlier: dict[str, Any] = {}
    if "landmarker.max_faces" in settings:
        earlier |= {
            "landmarker.keep": "largest",
            "landmarker.zoom_levels": 1,
            "landmarker.second_look": False,
        }
    if "faces.max_faces" in settings:
        earlier["faces.second_look"] = False
    return earlier


def earlier_settings(table: str, section: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a detector with which a table is continued that has no second look.

    Args:
        table: Folder of the table, a path or URI.
        section: Section of the detector's settings in the table's metadata, `landmarker` or `faces`.
        given: Settings of the configuration.

    Returns:
        Values that replace those of `given`; none for a new table, or one with a second look.
    """
    folder = StorageFolder(table)
    names = shard_names(folder) or ([PLAN_FILE] if folder.has(PLAN_FILE) else [])
    if not names:
        return {}
    metadata = read_metadata(read_shard_schema(folder, names[0]), f"{folder.uri}/{names[0]}")
    stored = json.loads(metadata["faceml.extraction"]).get(section, {})
    if "max_faces" not in stored or "second_look" in stored:
        return {}
    if given["second_look"]:
        logger.info(
            "%s was begun by an earlier version of faceml. It is continued without a second look.", folder.uri
        )
    # Earlier, the default was another.
    is_default = section == "landmarker" and given["max_faces"] == LandmarkerConfig().max_faces
    return {"second_look": False} | ({"max_faces": stored["max_faces"]} if is_default else {})
