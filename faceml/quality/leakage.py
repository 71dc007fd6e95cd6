"""Looking, before a training, for validation images that are in the training split too."""

import logging

from faceml.config import ConfigError, DataConfig
from faceml.quality.overlap import overlap_of_splits

logger = logging.getLogger(__name__)

MOST_NAMED = 3


def audit_leakage(config: DataConfig) -> None:
    """Count and name near-duplicates between the splits.

    Raises:
        ConfigError: There are some, and `leakage.on_found` is `strict`.
    """
    leakage = config.leakage
    if leakage.on_found == "ignore":
        return
    found = overlap_of_splits(config.train.table, config.val.table, leakage.max_hash_distance, MOST_NAMED)
    if not found.num_pairs:
        logger.info("No validation image is in the training split too.")
        return
    pairs = ", ".join(f"{pair.image_id} = {pair.other_id}" for pair in found.pairs)
    told = (
        f"{found.near[0]} of {found.images[0]} validation images have a near-duplicate among the training "
        f"images ({pairs}{', …' if found.num_pairs > len(found.pairs) else ''}): accuracies will be too good."
    )
    if leakage.on_found == "strict":
        raise ConfigError(
            f"data.leakage.on_found: strict: {told} Remove them from one split, or set it to warn."
        )
    logger.warning("%s", told)
