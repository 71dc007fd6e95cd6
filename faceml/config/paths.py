"""The paths in a configuration, by what their types say of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel

from faceml.config.base import MustExist, OnEveryNode
from faceml.config.config_error import ConfigError
from faceml.config.sections import StorageConfig

Mark = TypeVar("Mark")

SECTIONS_OF_TRAINING = ("train", "recognition")
"""In them a search and a study have what their trainings share; each training gets a folder from them."""


def local_paths(config: BaseModel, mark: type[Mark], prefix: str = "") -> Iterator[tuple[str, Path, Mark]]:
    """Yield dotted key, path and mark of every local path whose type bears such a mark.

    Args:
        config: Of a job, or a section of one.
        mark: Its class.
        prefix: What goes before the keys.
    """
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            yield from local_paths(value, mark, f"{prefix}{name}.")
        # What lies in a store is looked for when it is opened. Other choices than a path, such as `none`, are
        # not absolute.
        if isinstance(value, str | Path) and Path(value).is_absolute():
            for found in [*field.metadata, *_marks_of_members(field.annotation)]:
                if isinstance(found, mark):
                    yield prefix + name, Path(value), found


def refuse_paths_of_one_node(config: BaseModel, nodes: int) -> None:
    """Refuse local paths where workers on other nodes would look for them in vain.

    Args:
        config: Of a job.
        nodes: Of the cluster.

    Raises:
        ConfigError: There are several nodes, and local paths are not declared to be the same on all of them.
    """
    key, storage = _storage(config)
    here = list(_used_paths(config))
    if nodes < 2 or storage.shared or not here:
        return
    name, path = here[0]
    others = f" and {len(here) - 1} more" if len(here) > 1 else ""
    raise ConfigError(
        f"{name} = {str(path)!r}{others}: the cluster has several nodes, and each looks on its own disk. "
        "Use an object store (s3://…) where the setting takes one, or a file system that all nodes mount at "
        f"the same path, and say so with --set {key}.shared=true."
    )


def refuse_outputs_below(config: BaseModel, working_dir: Path) -> None:
    """Refuse to write into the folder that was uploaded with a job, which is thrown away after it.

    Args:
        config: Of a job.
        working_dir: That folder.

    Raises:
        ConfigError: Names the setting and the remedy.
    """
    inputs = {key for key, _, _ in local_paths(config, MustExist)}
    outputs = [(key, path) for key, path in _used_paths(config) if key not in inputs]
    unnamed = str(getattr(config, "run_folder", ""))  # follows from other settings, if it is not set
    if Path(unnamed).is_absolute():
        outputs.append(("run.folder", Path(unnamed)))
    for key, path in outputs:
        if path.is_relative_to(working_dir):
            name = path.relative_to(working_dir).as_posix()
            raise ConfigError(
                f"{key} = {name!r}: lies in the uploaded folder, which is thrown away after the job. Name a "
                "folder that stays, by its whole path or its URI."
            )


def _used_paths(config: BaseModel) -> Iterator[tuple[str, Path]]:
    """Yield dotted key and path of every local path that workers read or write."""
    unused = [f"{section}.run.folder" for section in SECTIONS_OF_TRAINING]
    for key, path, _ in local_paths(config, OnEveryNode):
        if key not in unused:
            yield key, path


def _storage(config: BaseModel, prefix: str = "") -> tuple[str, StorageConfig]:
    """Return the section on storage and its dotted key; a search has that of its training."""
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, StorageConfig):
            return prefix + name, value
    for section in SECTIONS_OF_TRAINING:
        if hasattr(config, section):
            return _storage(getattr(config, section), f"{section}.")
    return "storage", StorageConfig()


def _marks_of_members(annotation: Any) -> Iterator[Any]:
    """Yield the metadata of a union's members, such as those of the path in `InputFile | None`."""
    for member in get_args(annotation):
        if get_origin(member) is Annotated:
            yield from get_args(member)[1:]
