"""Votes of annotators, or probabilities, of the classes of a classification.

Shape letters: N rows, B faces of a batch, E classes.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional

from faceml.config import ConfigError
from faceml.datasets import Mix, Target, is_list, number_columns, number_lists
from faceml.tasks.classes import Classes


def are_votes(rows: pa.Table, columns: Sequence[str]) -> bool:
    """Return whether columns have votes for all classes instead of a class: several, or one of lists."""
    return len(columns) > 1 or is_list(rows[columns[0]].type)


def read_votes(rows: pa.Table, columns: Sequence[str], classes: Classes, where: str, setting: str) -> Target:
    """Return the votes of each row as shares of their sum.

    Votes for classes that are left out do not count. Rows without any vote, or with an empty cell, have no
    target.

    Args:
        rows: N rows with `image_id`.
        columns: A column for each of `classes.numbered`, or one of lists with a value for each.
        classes: The classes.
        where: Columns and table, for errors.
        setting: Key of the task, for errors.

    Returns:
        float32 of shape (N, E).

    Raises:
        ConfigError: Votes are negative, no numbers, or not as many as classes.
    """
    target = f"{setting}.target"
    votes = (
        number_columns(rows, columns, target) if len(columns) > 1 else number_lists(rows, columns[0], target)
    )
    if votes is None:
        votes = np.full((rows.num_rows, len(classes.numbered)), np.nan)
    if votes.shape[1] != len(classes.numbered):
        raise ConfigError(
            f"{target}: has votes for {votes.shape[1]} classes, and there are {len(classes.numbered)}: "
            f"{', '.join(classes.numbered)}."
        )
    votes = votes[:, [name in classes.names for name in classes.numbered]]
    if (votes < 0).any():
        row, column = np.argwhere(votes < 0)[0]
        image, name = rows["image_id"][int(row)].as_py(), classes.names[column]
        raise ConfigError(f"{where}: {image} has {votes[row, column]:g} votes for {name}.")
    sums = votes.sum(axis=1, keepdims=True)
    known = np.isfinite(sums) & (sums > 0)
    shares = np.where(known, votes / np.where(known, sums, 1.0), 0.0).astype(np.float32)
    return Target(torch.from_numpy(shares), torch.from_numpy(known[:, 0]))


def labels_of(values: Tensor) -> Tensor:
    """Return classes, int64 of shape (B,), from classes or from distributions of shape (B, E)."""
    return values if values.ndim == 1 else values.argmax(dim=1)


def mix_distributions(target: Target, mix: Mix, num_classes: int) -> Target:
    """Return the mean of the distributions of two images, unknown where one of them is.

    Args:
        target: Classes of shape (B,), or distributions of shape (B, E).
        mix: Partner and share of each image.
        num_classes: E.

    Returns:
        float32 of shape (B, E).
    """
    shares = target.values
    if shares.ndim == 1:
        shares = functional.one_hot(shares, num_classes).float()
    mixed = torch.lerp(shares[mix.partners], shares, mix.shares[:, None])
    return Target(mixed, target.known & (target.known[mix.partners] | (mix.shares == 1)))
