"""Groups of pairs by attributes of their images, and the pairs that a model confuses most.

Shape letters: N pairs.
"""

import numpy as np
import numpy.typing as npt

from faceml.datasets import PersonDataset
from faceml.reporting.localisation.tables import YAW_EDGES_DEG, bins
from faceml.reporting.verification.findings import ExtremePair, ModelScores
from faceml.training import VerificationSet

Mask = npt.NDArray[np.bool_]

IMPOSTORS, GENUINE = "most similar pairs of two people", "least similar pairs of one person"


def pair_groups(opened: VerificationSet) -> dict[str, dict[str, Mask]]:
    """Return groups of pairs by the larger yaw of both images, and by their sources if there are several."""
    faces, images = opened.faces, opened.pairs.images
    yaw_deg = np.abs(faces.yaw_deg)[images]
    largest = np.where(np.isnan(yaw_deg).any(axis=1), np.nan, yaw_deg.max(axis=1))
    by_yaw = bins(largest, YAW_EDGES_DEG, "°")
    if by_yaw and np.isnan(largest).any():
        by_yaw["unknown"] = np.isnan(largest)
    groups = {"larger absolute yaw": by_yaw, "source": _by_source(faces, images)}
    return {title: found for title, found in groups.items() if len(found) > 1}


def extreme_pairs(opened: VerificationSet, model: ModelScores, most: int) -> dict[str, list[ExtremePair]]:
    """Return the most similar pairs of two people and the least similar pairs of one person.

    Args:
        opened: The set, with the preprocessing of the model.
        model: Its pairs, scored by the model.
        most: Largest number of pairs of each kind.

    Raises:
        StoppedError: An image has changed since its extraction; names it.
    """
    scored = model.scored
    kinds = {IMPOSTORS: (~scored.same, -scored.scores), GENUINE: (scored.same, scored.scores)}
    found = {}
    for kind, (which, rank) in kinds.items():
        candidates = np.flatnonzero(which & ~opened.pairs.counted_wrong)
        chosen = candidates[np.argsort(rank[candidates], kind="stable")[:most]]
        found[kind] = [_extreme(opened, model, int(pair)) for pair in chosen]
    return {kind: pairs for kind, pairs in found.items() if pairs}


def _extreme(opened: VerificationSet, model: ModelScores, pair: int) -> ExtremePair:
    positions = opened.pairs.images[pair].tolist()
    first, second = (opened.faces.names[position] for position in positions)
    face, other = (
        np.ascontiguousarray(opened.faces.square(position).permute(1, 2, 0).numpy()) for position in positions
    )
    score, is_accepted = float(model.scored.scores[pair]), bool(model.folds.accepted[pair])
    return ExtremePair((first, second), score, is_accepted, (face, other))


def _by_source(faces: PersonDataset, images: npt.NDArray[np.int64]) -> dict[str, Mask]:
    """Return the pairs of each combination of sources, none for a table of one source."""
    sources = np.array(
        [
            faces.people[label].removesuffix(folder).rstrip("/")
            for label, folder in zip(faces.labels.tolist(), faces.folders, strict=True)
        ]
    )
    combined = np.array([" and ".join(sorted(set(both))) for both in sources[images].tolist()])
    return {name: combined == name for name in np.unique(combined).tolist() if name}
