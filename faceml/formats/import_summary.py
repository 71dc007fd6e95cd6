"""Counts of an import: images, labels and broken records."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from faceml.formats.data_format import SPLIT, BrokenRecord, ImportedImage

MOST_NAMED = 20
"""Number of broken records named for each reason."""
UNKNOWN = "unknown"
"""Label of the images that have none, in counts."""


@dataclass
class ImportSummary:
    """Counts of an import.

    Attributes:
        images: Number of images.
        written: Number of image files that this run wrote.
        splits: Number of images by split; one without a name if the set has no splits.
        labels: Number of images by column, value and split.
        broken: Number of broken records by reason.
        broken_names: The first names of broken records by reason.
    """

    images: int = 0
    written: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    labels: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    broken: Counter[str] = field(default_factory=Counter)
    broken_names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, record: ImportedImage | BrokenRecord, columns: Sequence[str]) -> None:
        """Count a record.

        Args:
            record: The record.
            columns: Columns of the label table whose values are counted.
        """
        if isinstance(record, BrokenRecord):
            self.broken[record.reason] += 1
            names = self.broken_names.setdefault(record.reason, [])
            names += [record.name][: MOST_NAMED - len(names)]
            return
        self.images += 1
        split = record.labels.get(SPLIT, "")
        self.splits[split] += 1
        for column in columns:
            value = record.labels.get(column)
            by_value = self.labels.setdefault(column, {})
            by_value.setdefault(UNKNOWN if value is None else str(value), Counter())[split] += 1

    def as_json(self) -> dict[str, Any]:
        """Return plain values for `import.json`."""
        return {
            "images": self.images,
            "splits": self.splits,
            "labels": self.labels,
            "broken": {
                reason: {"number": number, "names": self.broken_names[reason]}
                for reason, number in self.broken.items()
            },
        }
