"""What the figures of a training of recognition say about why it fails, in words."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from faceml.config import RecognitionConfig
from faceml.page import percent, significant
from faceml.reporting.training.diagnosis import Finding

PATIENCE_EPOCHS = 2
"""A training is given so many to get off the ground."""
NEAR_CHANCE = 3.0
"""Times the share that guessing gives."""
NO_BETTER_THAN_A_COIN = 0.55
"""Verification accuracy."""
LITTLE_APART = 1.0
"""Deviations of an image's cosines by which the own centre is nearer than others."""
FADED = 0.3
"""Of the first epoch's gradient."""
ONCE = 1.5
"""Images of a person in a batch."""


def diagnose_recognition(
    records: Sequence[dict[str, Any]], config: RecognitionConfig, num_people: int
) -> list[Finding]:
    """Return what is worth knowing after the epochs so far; nothing of a training that gets on.

    Args:
        records: Of the epochs, at least one, as in `metrics.jsonl`.
        config: Of the training.
        num_people: That are trained on.
    """
    last = records[-1]
    at_chance = last["train/accuracy"] <= NEAR_CHANCE / num_people
    unseen_at_chance = last["verification/accuracy"] < NO_BETTER_THAN_A_COIN
    if last["epoch"] < PATIENCE_EPOCHS or not (at_chance or unseen_at_chance):
        return []
    return [
        *(_at_chance(last, num_people) if at_chance else ()),
        *(_no_better_than_a_coin(last) if unseen_at_chance else ()),
        *_little_apart(last, config),
        *_fading(records),
        *_seen_once(last, config),
    ]


def _at_chance(record: dict[str, Any], num_people: int) -> Iterator[Finding]:
    yield Finding(
        "at chance",
        f"In epoch {record['epoch']} {percent(record['train/accuracy'], 2)} of the training images were "
        f"nearest to their own person's centre; guessing among {num_people:,} people gets "
        f"{percent(1 / num_people, 2)}. The training does not learn who is who.",
    )


def _no_better_than_a_coin(record: dict[str, Any]) -> Iterator[Finding]:
    yield Finding(
        "verification at chance",
        f"After epoch {record['epoch']} {percent(record['verification/accuracy'])} of the pairs of unseen "
        "people are judged rightly, hardly more than the 50 % of a coin.",
    )


def _little_apart(record: dict[str, Any], config: RecognitionConfig) -> Iterator[Finding]:
    own, others, deviation = (record[f"train/cosine_{name}"] for name in ("own", "others", "deviation"))
    if not all(map(_is_number, (own, others, deviation))):  # no look of the epoch was at finite figures
        return
    apart = own - others
    if apart < LITTLE_APART * deviation:
        logits = config.margin.scale * deviation
        yield Finding(
            "little apart",
            f"The logits tell nothing: over all people those of an image vary by {significant(logits)}, and "
            f"the own person's stands out by {significant(config.margin.scale * apart)}. A margin asks "
            "for more than is there to begin with: margin_warmup_epochs lets it grow, a smaller margin.scale "
            "keeps the softmax from saturating.",
        )


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _fading(records: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    first, last = records[0]["train/grad_norm"], records[-1]["train/grad_norm"]
    if last < FADED * first:
        yield Finding(
            "fading",
            f"The gradient fades: its norm fell from {significant(first)} in epoch {records[0]['epoch']} to "
            f"{significant(last)} in epoch {records[-1]['epoch']}, without anything learned. Raise "
            "optimizer.learning_rate, or start from a pretrained backbone (model.weights).",
        )


def _seen_once(record: dict[str, Any], config: RecognitionConfig) -> Iterator[Finding]:
    images = record["train/images_per_person"]
    if images < ONCE:
        remedy = (
            "data.sampling: pk puts several images of each person into a batch."
            if config.data.sampling == "naive"
            else f"Raise data.images_per_person, which is {config.data.images_per_person}."
        )
        yield Finding(
            "seen once",
            f"A batch shows each of its people {images:.1f} times: nothing in it says what two photographs "
            f"of one person have in common. {remedy}",
        )
