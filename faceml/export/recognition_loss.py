"""What integers cost a model of recognition: it and its int8 copy on the same pairs of images.

Shape letters: N images, D embedding dimensions.
"""

import numpy as np
import numpy.typing as npt

from faceml.datasets import VerificationPairs
from faceml.export.paired_inference import Turns
from faceml.export.quantization_loss import PairedFigure, QuantizationLoss
from faceml.metrics import ScoredPairs, bootstrap_interval, verification_accuracy, weights_of_resampled_people
from faceml.training import score_pairs

BOOTSTRAP_ROUNDS = 500


def recognition_loss(
    people: npt.NDArray[np.int64], pairs: VerificationPairs, turns: Turns, seed: int = 0
) -> QuantizationLoss:
    """Compare how well a model and its copy verify.

    The interval is a bootstrap over people, the same ones for both in each round. Embeddings are those of
    one image, without its mirror image.

    Args:
        people: Of N images that the copy was not calibrated on, int64 of shape (N,).
        pairs: Of these images.
        turns: What both said of them.
        seed: Of the bootstrap.
    """
    floats, int8 = (
        score_pairs(
            np.concatenate([answer["embedding"] for answer in of_model]).astype(np.float64), pairs, people
        )
        for of_model in turns.answers
    )
    accuracies = verification_accuracy(floats), verification_accuracy(int8)
    difference = accuracies[1] - accuracies[0]
    rng = np.random.default_rng(seed)
    drawn = [
        _difference(floats, int8, weights_of_resampled_people(floats, rng)) for _ in range(BOOTSTRAP_ROUNDS)
    ]
    interval = bootstrap_interval(difference, np.array(drawn))
    return QuantizationLoss(
        images=len(people),
        measure="verification accuracy",
        accuracy=PairedFigure(*accuracies, difference, interval, len(floats.scores)),
        nme=None,
        same_expression=None,
        latency_ms=turns.latency_ms,
    )


def _difference(floats: ScoredPairs, int8: ScoredPairs, weights: npt.NDArray[np.float64]) -> float:
    return verification_accuracy(int8, weights) - verification_accuracy(floats, weights)
