"""The detector actor of an extraction: what runs on the workers, importing no more than that needs."""

import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from faceml.config.extract import ExtractConfig
from faceml.datasets.landmark_table import write_shard
from faceml.images import DecodeLimits
from faceml.landmarks.extractor import EmbedOptions, LandmarkExtractor
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.landmarks.model_bundle import find_model_bundle


@dataclass(frozen=True)
class ShardResult:
    """What a detector says of a shard that it has written; times are seconds of the epoch."""

    started_s: float
    ended_s: float
    by_status: dict[str, int]


class ShardExtractor:
    """A detector actor: it writes whole shards itself and returns only counts.

    Pixels and landmarks never travel between processes, and a shard is in the table exactly when it is done.
    """

    def __init__(self, config: ExtractConfig, schema: pa.Schema) -> None:
        landmarker, output = config.landmarker, config.output
        bundle = find_model_bundle(landmarker.model_path)
        detector = MediaPipeDetector(bundle, landmarker.max_faces, landmarker.min_detection_confidence)
        self._extractor = LandmarkExtractor(
            detector.__enter__(),  # open as long as the actor lives; its process gives the memory back
            DecodeLimits(config.data.max_bytes, config.data.max_pixels),
            store_mesh=output.store_mesh,
            embed=EmbedOptions(output.embed.max_side_px, output.embed.quality) if output.embed else None,
        )
        self._root, self._table, self._schema = config.data.root, output.table, schema

    def __call__(self, shard: dict[str, Any]) -> dict[str, Any]:
        """Extract and write one shard."""
        started_s = time.time()
        rows = [self._extractor.row(self._root, image_id) for image_id in shard["image_ids"]]
        write_shard(rows, self._schema, self._table / shard["name"])
        return asdict(ShardResult(started_s, time.time(), dict(Counter(row["status"] for row in rows))))
