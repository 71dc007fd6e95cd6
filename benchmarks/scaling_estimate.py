"""Estimate of the duration of an extraction from the measured costs of its parts.

    hours = (start + shards · start_per_shard + images / listed_per_s
             + max(images · image / (detectors · efficiency),
                   shards · (driver + detectors · driver_per_detector))
             + images · end) / 3600

The detectors share the images. Each shard costs time of the single driver. Before and after, only the driver
is active.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """Costs of the parts of an extraction.

    Attributes:
        image_s: Time of one detector per image.
        efficiency: Share of time in which detectors have an image.
        images_per_shard: `output.images_per_shard`.
        listed_per_s: Paths listed, compared and planned per second.
        start_s: Start time of Ray, Ray Data and the detectors.
        start_per_shard_s: CPU time of the driver per shard before the first shard starts.
        driver_s: CPU time of the driver per completed shard.
        driver_per_detector_s: CPU time of the driver per completed shard and detector.
        end_s: Time of summary, quality and report per image.
        query_bytes: Memory of the report's queries per row of a small table.
        query_gib: Largest memory of these queries, which move the rest to temporary files.
        driver_bytes: Further memory of the driver per image, most of it for the tasks of Ray Data.
        table_bytes: Size of a row on disk.
    """

    image_s: float
    efficiency: float
    images_per_shard: int
    listed_per_s: float
    start_s: float
    start_per_shard_s: float
    driver_s: float
    driver_per_detector_s: float
    end_s: float
    query_bytes: float
    query_gib: float
    driver_bytes: float
    table_bytes: float

    def images_per_s_of_driver(self, detectors: int) -> float:
        """Return the images/s that one driver can distribute to a number of detectors."""
        return self.images_per_shard / (self.driver_s + detectors * self.driver_per_detector_s)


@dataclass(frozen=True)
class Estimate:
    """Estimated duration and memory of an extraction.

    Attributes:
        hours: Total duration.
        extract_hours: Duration of the detection.
        limit: Bottleneck: `driver` if further detectors do not increase the speed, else `detectors`.
        driver_gib: Peak memory of the driver.
        table_gib: Size of the table on disk.
    """

    hours: float
    extract_hours: float
    limit: str
    driver_gib: float
    table_gib: float


def estimate(images: int, detectors: int, costs: Costs) -> Estimate:
    """Estimate an extraction of a number of images with a number of detectors."""
    shards = math.ceil(images / costs.images_per_shard)
    by_detectors_s = images * costs.image_s / (detectors * costs.efficiency)
    by_driver_s = images / costs.images_per_s_of_driver(detectors)
    extract_s = max(by_detectors_s, by_driver_s)
    before_s = costs.start_s + shards * costs.start_per_shard_s + images / costs.listed_per_s
    return Estimate(
        hours=(before_s + extract_s + images * costs.end_s) / 3600,
        extract_hours=extract_s / 3600,
        limit="driver" if by_driver_s > by_detectors_s else "detectors",
        driver_gib=min(images * costs.query_bytes / 2**30, costs.query_gib)
        + images * costs.driver_bytes / 2**30,
        table_gib=images * costs.table_bytes / 2**30,
    )
