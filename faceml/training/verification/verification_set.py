"""People and the pairs of their images to verify, opened from a configuration."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from faceml.config import PairsConfig, SplitConfig
from faceml.datasets import (
    ALIGNED_BY,
    AlignedPreprocessing,
    PersonDataset,
    VerificationPairs,
    draw_pairs,
    read_pairs,
)
from faceml.tables import build_selection, landmark_column


@dataclass(frozen=True)
class VerificationSet:
    """Faces of people, and pairs of them to verify."""

    faces: PersonDataset
    pairs: VerificationPairs

    @property
    def without_landmarks(self) -> dict[str, Any]:
        """Number of `images` of pairs without landmarks, of `pairs` with one, and the `rule` for them."""
        is_without = self.faces.undetected[self.pairs.images]
        return {
            "images": len(np.unique(self.pairs.images[is_without])),
            "pairs": int(is_without.any(axis=1).sum()),
            "rule": "wrong" if self.pairs.counted_wrong.any() else "average_face",
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the digests and landmarks of the images, the settings of their copies, and the pairs."""
        columns = ["folder", "status", "content_sha256", landmark_column(ALIGNED_BY)]
        rows, content = self.faces.selection.read(columns).rows, pa.BufferOutputStream()
        with pa.ipc.new_stream(content, rows.schema) as stream:
            stream.write_table(rows.combine_chunks())
        found = hashlib.sha256(content.getvalue())
        found.update(json.dumps(self.faces.copies, sort_keys=True).encode())
        for column in self.pairs:
            found.update(np.ascontiguousarray(column).tobytes())
        return found.hexdigest()


def open_people(
    split: SplitConfig,
    preprocessing: AlignedPreprocessing,
    cache: Path | None = None,
    *,
    with_undetected: bool = False,
) -> PersonDataset:
    """Open a split; the arguments are those of `PersonDataset`.

    Raises:
        ConfigError: The table or its images cannot be used.
    """
    return PersonDataset(
        build_selection(split),
        split.images,
        preprocessing,
        cache,
        with_undetected=with_undetected,
        follow_links=split.follow_links,
    )


def open_pairs(
    config: PairsConfig,
    faces: PersonDataset,
    table_key: str = "data.val.table",
    file_key: str = "data.pairs.file",
) -> VerificationPairs:
    """Read the pairs of a split's images from their file, or draw them.

    Args:
        config: Settings of the pairs.
        faces: The split, with undetected faces if the pairs are those of a file.
        table_key: The setting that names the split's table, for errors.
        file_key: The setting that names the file, for errors.

    Raises:
        ConfigError: The file cannot be used, or there are too few people.
    """
    if config.file is None:
        return draw_pairs(faces.labels.numpy(), config.number, config.seed, table_key)
    return read_pairs(
        config.file,
        faces.names,
        faces.undetected,
        folders=faces.folders,
        count_as_wrong=config.without_landmarks == "wrong",
        setting=file_key,
    )
