"""Diagnosis of recognition trainings that do not learn."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from faceml.config import RecognitionConfig
from faceml.page import percent, significant
from faceml.reporting.training.diagnosis import Finding

PATIENCE_EPOCHS = 2
"""First epoch that is diagnosed."""
NEAR_CHANCE = 3.0
"""Multiple of the chance level up to which the training accuracy counts as chance."""
VERIFICATION_AT_CHANCE = 0.55
"""Verification accuracy below which it counts as chance; chance level is 0.5."""
LITTLE_APART = 1.0
"""Difference of the mean cosines to own and other centres, in standard deviations of an image's cosines."""
FADED = 0.3
"""Ratio to the first epoch's gradient norm below which the gradient counts as vanishing."""
SINGLE_IMAGES = 1.5
"""Mean number of images of a person in a batch below which batches hold hardly any pairs of a person."""
FEW_PEOPLE = 100
"""Number of steps from one P×K batch with a person to the next above which batches show few of the people."""


def diagnose_recognition(
    records: Sequence[dict[str, Any]], config: RecognitionConfig, num_people: int
) -> list[Finding]:
    """Diagnose a recognition training whose accuracy stays at chance.

    Args:
        records: Records of the epochs so far, at least one, as in `metrics.jsonl`.
        config: Configuration of the training.
        num_people: Number of people in the training split.

    Returns:
        Findings; empty before `PATIENCE_EPOCHS` and if training and verification accuracy are above chance.
    """
    last = records[-1]
    at_chance = last["train/accuracy"] <= NEAR_CHANCE / num_people
    unseen_at_chance = last["verification/accuracy"] < VERIFICATION_AT_CHANCE
    if last["epoch"] < PATIENCE_EPOCHS or not (at_chance or unseen_at_chance):
        return []
    return [
        *(_at_chance(last, num_people) if at_chance else ()),
        *(_verification_at_chance(last) if unseen_at_chance else ()),
        *_little_apart(last, config),
        # Where the training accuracy is high, small gradients are those of a fitted training split.
        *(_vanishing_gradient(records) if at_chance else ()),
        *_single_images(last, config),
        *(_few_people(config, num_people) if at_chance else ()),
    ]


def _at_chance(record: dict[str, Any], num_people: int) -> Iterator[Finding]:
    yield Finding(
        "at chance",
        f"The training accuracy is at chance: in epoch {record['epoch']} "
        f"{percent(record['train/accuracy'], 3)} of the training images were nearest to the centre of their "
        f"own person; chance level for {num_people:,} people is {percent(1 / num_people, 3)}.",
    )


def _verification_at_chance(record: dict[str, Any]) -> Iterator[Finding]:
    yield Finding(
        "verification at chance",
        f"The verification accuracy on unseen people is near the chance level of 50 %: "
        f"{percent(record['verification/accuracy'])} after epoch {record['epoch']}.",
    )


def _little_apart(record: dict[str, Any], config: RecognitionConfig) -> Iterator[Finding]:
    own, others, deviation = (record[f"train/cosine_{name}"] for name in ("own", "others", "deviation"))
    if not all(map(_is_number, (own, others, deviation))):  # no sampled step of the epoch was finite
        return
    apart = own - others
    if apart < LITTLE_APART * deviation:
        logits = config.margin.scale * deviation
        yield Finding(
            "little apart",
            "The logits hardly separate the people: the logits of an image have a standard deviation of "
            f"{significant(logits)}, but the logit of the correct person exceeds the mean of the others by "
            f"only {significant(config.margin.scale * apart)}. The margin may be too large at the start of "
            "the training: margin_warmup_epochs increases it gradually, and a smaller margin.scale keeps the "
            "softmax from saturating.",
        )


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _vanishing_gradient(records: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    first, last = records[0]["train/grad_norm"], records[-1]["train/grad_norm"]
    if last < FADED * first:
        yield Finding(
            "fading",
            f"The gradient vanishes: its norm fell from {significant(first)} in epoch {records[0]['epoch']} "
            f"to {significant(last)} in epoch {records[-1]['epoch']}. Raise optimizer.learning_rate, or "
            "start from a pretrained backbone (model.weights).",
        )


def _single_images(record: dict[str, Any], config: RecognitionConfig) -> Iterator[Finding]:
    images = record["train/images_per_person"]
    if config.data.sampling == "naive" and images < SINGLE_IMAGES:
        yield Finding(
            "seen once",
            f"A batch holds {images:.1f} images of each of its people on average, and so hardly any two "
            "images of the same person. The loss compares images with class centres, not with each other, so "
            "this alone does not keep the accuracy at chance: check the labels and optimizer.learning_rate.",
        )


def _few_people(config: RecognitionConfig, num_people: int) -> Iterator[Finding]:
    in_batch = config.data.people_per_batch
    steps = num_people / in_batch
    if config.data.sampling == "pk" and steps > FEW_PEOPLE:
        yield Finding(
            "few people",
            f"A P×K batch shows {in_batch} of {num_people:,} people: the centre of a person approaches the "
            f"images of this person in one of {steps:,.0f} steps, and only recedes from images of others in "
            "between. data.sampling: naive spreads the images of a person over the steps; or raise "
            "data.people_per_batch.",
        )
