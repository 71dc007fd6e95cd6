"""Images that nobody took, of any size, to see whether an export answers alike."""

from collections.abc import Iterator

import numpy as np

from faceml.export.agreement import Images

BATCH_SIZES = (1, 2, 5)
NUM_BATCHES = 4 * len(BATCH_SIZES)
PATCH_PX = 8


def random_batches(side_px: int, seed: int) -> Iterator[Images]:
    """Draw batches of 1, 2 and 5 images: smaller than the network's square, just as large, larger, oblong.

    Patches of one colour under noise: noise alone would be the same grey in every square.

    Args:
        side_px: Side of that square.
        seed: Of the draw.
    """
    rng = np.random.default_rng(seed)
    sizes = ((side_px, side_px), (side_px // 2 + 1, side_px - 1), (3 * side_px + 5, 2 * side_px), (17, 211))
    for height, width in sizes:
        for batch_size in BATCH_SIZES:
            patches = rng.integers(0, 256, (batch_size, height // PATCH_PX + 1, width // PATCH_PX + 1, 3))
            colors = patches.repeat(PATCH_PX, axis=1).repeat(PATCH_PX, axis=2)[:, :height, :width]
            noise = rng.integers(-20, 21, colors.shape)
            yield (colors + noise).clip(0, 255).astype(np.uint8)
