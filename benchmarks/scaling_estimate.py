"""How long an extraction takes on so many nodes, from what was measured of its parts.

    hours = (start + shards · start_per_shard + images / listed_per_s
             + max((images · image + shards² · look_up) / (detectors · efficiency),
                   shards · (driver + detectors · driver_per_detector))
             + images · end) / 3600

The detectors share the images; each shard costs the one driver its time, and a worker a look into the plan of
all shards. Before and after, only the driver works.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """What the parts of an extraction cost.

    Attributes:
        image_s: Of one detector, for an image.
        efficiency: Share of their time that detectors have an image at hand.
        images_per_shard: `output.images_per_shard`.
        listed_per_s: Paths listed, compared and planned in a second.
        start_s: Of Ray, Ray Data and the detectors.
        start_per_shard_s: CPU of the driver for each shard before the first one begins.
        driver_s: CPU of the driver for each shard that is done.
        driver_per_detector_s: The same for each detector, as Ray Data looks at all of them.
        look_up_s: CPU of a worker that looks up its shard, for each shard of the plan.
        end_s: Summary, quality and report, for each image.
        listing_bytes: Memory of the driver for each path, before.
        report_bytes: Memory of the driver for each row, after.
        table_bytes: Of a row on disk.
    """

    image_s: float
    efficiency: float
    images_per_shard: int
    listed_per_s: float
    start_s: float
    start_per_shard_s: float
    driver_s: float
    driver_per_detector_s: float
    look_up_s: float
    end_s: float
    listing_bytes: float
    report_bytes: float
    table_bytes: float

    def images_per_s_of_driver(self, detectors: int) -> float:
        """Return what one driver can hand out to so many detectors."""
        return self.images_per_shard / (self.driver_s + detectors * self.driver_per_detector_s)


@dataclass(frozen=True)
class Estimate:
    """What an extraction takes.

    Attributes:
        hours: In all.
        extract_hours: Of them, in which the detectors work.
        limit: `driver` if further detectors would make it no faster, else `detectors`.
        driver_gib: Memory of the driver at its largest.
        table_gib: On disk.
    """

    hours: float
    extract_hours: float
    limit: str
    driver_gib: float
    table_gib: float


def estimate(images: int, detectors: int, costs: Costs) -> Estimate:
    """Say what extracting so many images with so many detectors takes."""
    shards = math.ceil(images / costs.images_per_shard)
    by_detectors_s = (images * costs.image_s + shards**2 * costs.look_up_s) / (detectors * costs.efficiency)
    by_driver_s = images / costs.images_per_s_of_driver(detectors)
    extract_s = max(by_detectors_s, by_driver_s)
    before_s = costs.start_s + shards * costs.start_per_shard_s + images / costs.listed_per_s
    return Estimate(
        hours=(before_s + extract_s + images * costs.end_s) / 3600,
        extract_hours=extract_s / 3600,
        limit="driver" if by_driver_s > by_detectors_s else "detectors",
        driver_gib=images * max(costs.listing_bytes, costs.report_bytes) / 2**30,
        table_gib=images * costs.table_bytes / 2**30,
    )
