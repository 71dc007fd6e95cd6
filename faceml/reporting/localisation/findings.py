"""Results of an evaluation of landmarks against annotations.

Shape letters: N annotated faces, L landmarks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from faceml.annotations import AnnotatedFaces, LocatedFaces
from faceml.metrics import LocalisationErrors
from faceml.page import percent
from faceml.reporting.evaluation.estimated_yaw import EstimatedYaw, estimate_yaw
from faceml.statistics import (
    Interval,
    MeanDifference,
    mean_interval,
    paired_difference,
    wilson_interval,
)
from faceml.tables import LANDMARK_SETS

NUM_LANDMARKS = 5
"""Landmark set of the main figures, which every mark-up has."""

Estimated = tuple[float | None, Interval | None]
"""A mean or a share with its interval; None where it is not defined."""


@dataclass(frozen=True)
class LandmarkFindings:
    """Results of all sources of landmarks on the same N annotated faces.

    Attributes:
        faces: The annotated faces.
        located: The faces of each source, `table` or `network`.
        left_out: Images of annotated faces that were not evaluated, by reason.
    """

    faces: AnnotatedFaces
    located: Mapping[str, LocatedFaces]
    left_out: Mapping[str, Sequence[str]]

    @property
    def sets(self) -> list[int]:
        """Numbers of landmarks of the sets that the annotations and all sources have."""
        return [
            number
            for number in self.faces.markup.landmarks
            if all(number in located.landmarks for located in self.located.values())
        ]

    @cached_property
    def errors(self) -> dict[int, dict[str, LocalisationErrors]]:
        """Errors of each source, by the number of landmarks."""
        return {
            number: {
                name: LocalisationErrors.of(
                    located.landmarks_px(number),
                    self.faces.landmarks_px(number),
                    self.faces.normalizers_px,
                    self.faces.boxes,
                )
                for name, located in self.located.items()
            }
            for number in self.sets
        }

    @property
    def main(self) -> dict[str, LocalisationErrors]:
        """Errors of each source for the landmarks of the main figures."""
        return self.errors[NUM_LANDMARKS]

    @property
    def sizes_px(self) -> npt.NDArray[np.float64]:
        """Width and height of each face's image, of shape (N, 2)."""
        return next(iter(self.located.values())).sizes_px

    @cached_property
    def difference(self) -> MeanDifference | None:
        """NME of the second source minus that of the first, on faces that both matched; None without them."""
        if len(self.main) < 2:
            return None
        first, second = self.main.values()
        both = first.is_matched & second.is_matched
        return paired_difference((second.of_faces - first.of_faces)[both].tolist()) if both.any() else None

    @cached_property
    def yaw(self) -> EstimatedYaw | None:
        """Yaw of the annotated faces, estimated from their landmarks; None if too few faces were matched."""
        located, errors = next(iter(self.located.values())), next(iter(self.main.values()))
        known = np.where(errors.is_matched, located.yaw_deg, np.nan)
        return estimate_yaw(self.faces.landmarks_px(NUM_LANDMARKS), LANDMARK_SETS[NUM_LANDMARKS], known)

    @property
    def answer(self) -> str:
        """The main result in one or two sentences."""
        parts = []
        for name, errors in self.main.items():
            nme, failures = nme_of(errors)[0], float(errors.is_failure.mean())
            parts.append(
                f"The landmarks of the {name} are {percent(nme, 2)} of the {self.faces.markup.normalizer} "
                f"from the annotated ones; {percent(failures)} of {len(self.faces):,} faces fail."
            )
        return " ".join(parts)


def nme_of(errors: LocalisationErrors, which: npt.NDArray[np.bool_] | None = None) -> Estimated:
    """Return the normalised mean error with its interval, of matched faces or of others that were found."""
    return mean_of(errors.of_faces[errors.is_matched if which is None else which])


def mean_of(values: npt.NDArray[np.float64]) -> Estimated:
    """Return a mean with Student's interval."""
    return (float(values.mean()) if len(values) else None), mean_interval(values.tolist())


def share_of(mask: npt.NDArray[np.bool_]) -> Estimated:
    """Return a share of faces with Wilson's interval."""
    return (float(mask.mean()) if len(mask) else None), wilson_interval(int(mask.sum()), len(mask))


def landmark_summary(findings: LandmarkFindings) -> dict[str, Any]:
    """Return the content of `summary.json`, except `wall_s`."""
    markup, difference = findings.faces.markup, findings.difference
    return {
        "markup": markup.name,
        "normalizer": markup.normalizer,
        "images": len(set(findings.faces.images)),
        "faces": len(findings.faces),
        "left_out": {reason: len(images) for reason, images in findings.left_out.items()},
        **{
            name: {
                str(number): _metrics(by_name[name], number) for number, by_name in findings.errors.items()
            }
            for name in findings.located
        },
        "difference": difference
        and {"nme": difference.mean, "nme_interval": difference.interval, "faces": difference.count},
    }


def _metrics(errors: LocalisationErrors, number: int) -> dict[str, Any]:
    """Return the metrics of a source for one landmark set."""
    matched = errors.is_matched
    estimates = {
        "nme": nme_of(errors),
        "nme_found": nme_of(errors, ~errors.is_missed),
        "miss_rate": share_of(errors.is_missed),
        "failure_rate": share_of(errors.is_failure),
        "area": mean_of(errors.areas),
        **{
            f"nme_{name}": mean_of(values)
            for name, values in zip(LANDMARK_SETS[number].names, errors.of_points[matched].T, strict=True)
        },
    }
    return {
        "missed": int(errors.is_missed.sum()),
        "another_face": int(errors.is_other.sum()),
        "matched": int(matched.sum()),
        "failures": int(errors.is_failure.sum()),
        "nme_median": float(np.median(errors.of_faces[matched])) if matched.any() else None,
        **{name: value for name, (value, _) in estimates.items()},
        **{f"{name}_interval": limits for name, (_, limits) in estimates.items()},
    }
