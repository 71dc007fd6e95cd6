"""Configuration of a split: its landmark table, images and labels, and the rows that belong to it."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from faceml.config.base import Config, FrozenDict, InputPlaces, InputStorage, LabelPlaces


class LabelsConfig(Config):
    """Label table: one column per target, empty where unknown.

    It has one row per image, or one per face of a table of all faces, with the column `face`.
    """

    file: LabelPlaces
    """Parquet or CSV file, or a folder of Parquet files, a path or URI; or one for each source,
    `{affectnet: PLACE, ferplus: PLACE}`, whose names of images are paths below that source's folder."""
    key: str = "image_id"
    """Column with the names of the images, as the landmark table has them in `image_id`."""


def _as_section(labels: Any) -> Any:
    is_section = isinstance(labels, BaseModel) or (isinstance(labels, Mapping) and "file" in labels)
    return labels if labels is None or is_section else {"file": labels}


def _as_texts(values: Any) -> Any:
    """Return a value of `where`, or each of a list of them, as the text that the values of a column have."""
    return [_as_text(value) for value in (values if isinstance(values, list | tuple) else [values])]


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("must be text, a number, true or false, or a list of them")


Values = Annotated[tuple[str, ...], BeforeValidator(_as_texts), Field(min_length=1)]
Where = Annotated[dict[str, Values], AfterValidator(FrozenDict)]
"""Values of columns by which rows are selected."""


class SplitConfig(Config):
    """Landmark table, images and labels of a split."""

    table: InputStorage
    """Landmark table from `faceml extract`, a path or a URI such as `s3://bucket/tables/train`."""
    images: InputPlaces | None = None
    """Folder that was extracted, a path or URI, or the folders by the names of their sources; null reads the
    copies in the table's `image_jpeg`."""
    follow_links: bool = False
    """Follow symbolic links to targets outside `images`, for a folder that was extracted so."""
    labels: Annotated[LabelsConfig, BeforeValidator(_as_section)] | None = None
    """Label table with further columns: Parquet or CSV, a path or URI, one for each source, or a
    section with `file` and `key`."""
    where: Where = {}
    """Rows that belong to the split, by the values of columns of `table` or `labels`: `{split: train}`, or
    `{source: [affectnet, ferplus], fold: 3}`, where every column has one of its values; empty: all rows."""
