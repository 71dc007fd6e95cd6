"""Local paths in a configuration, selected by the marks of their types."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel

from faceml.config.base import MustExist, OnEveryNode
from faceml.config.config_error import ConfigError
from faceml.config.sections.runtime import StorageConfig

Mark = TypeVar("Mark")

SECTIONS_OF_TRAINING = ("train", "recognition")
"""Sections of a search or study with the common training settings; their `run.folder` is not used."""


def local_paths(config: BaseModel, mark: type[Mark], prefix: str = "") -> Iterator[tuple[str, Path, Mark]]:
    """Yield dotted key, path and mark of every local path whose type has a mark of a class.

    Args:
        config: Configuration of a job, or a section of one.
        mark: Class of the mark.
        prefix: Prefix of the keys.
    """
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            yield from local_paths(value, mark, f"{prefix}{name}.")
        for key, section in value.items() if isinstance(value, dict) else ():
            if isinstance(section, BaseModel):
                yield from local_paths(section, mark, f"{prefix}{name}.{key}.")
        places = {f"{name}.{key}": place for key, place in value.items()} if isinstance(value, dict) else {}
        marks = [*field.metadata, *_marks_of_members(field.annotation)]
        for key, place in {name: value, **places}.items():
            # Files in object stores are checked when they are opened. Values that are not paths, such as
            # `none`, are not absolute.
            if isinstance(place, str | Path) and Path(place).is_absolute():
                found = dict.fromkeys(each for each in marks if isinstance(each, mark))
                yield from ((prefix + key, Path(place), each) for each in found)


def refuse_paths_of_one_node(config: BaseModel, nodes: int) -> None:
    """Refuse local paths that workers on other nodes cannot access.

    Args:
        config: Configuration of a job.
        nodes: Number of nodes of the cluster.

    Raises:
        ConfigError: There are several nodes, and local paths are not declared as shared.
    """
    key, storage = _storage(config)
    here = list(_used_paths(config))
    if nodes < 2 or storage.shared or not here:
        return
    name, path = here[0]
    others = f" and {len(here) - 1} more" if len(here) > 1 else ""
    raise ConfigError(
        f"{name} = {str(path)!r}{others}: the cluster has several nodes, each with its own disk. "
        "Use an object store (s3://…) where the setting accepts one, or a file system that all nodes mount "
        f"at the same path, with --set {key}.shared=true."
    )


def refuse_outputs_below(config: BaseModel, working_dir: Path) -> None:
    """Refuse outputs in the folder that was uploaded with a job, which is deleted after the job.

    Args:
        config: Configuration of a job.
        working_dir: Uploaded folder.

    Raises:
        ConfigError: An output is below the folder.
    """
    inputs = {key for key, _, _ in local_paths(config, MustExist)}
    outputs = [(key, path) for key, path in _used_paths(config) if key not in inputs]
    unnamed = str(getattr(config, "run_folder", ""))  # derived from other settings if it is not set
    if Path(unnamed).is_absolute():
        outputs.append(("run.folder", Path(unnamed)))
    for key, path in outputs:
        if path.is_relative_to(working_dir):
            name = path.relative_to(working_dir).as_posix()
            raise ConfigError(
                f"{key} = {name!r}: lies in the uploaded folder, which is deleted after the job. Use an "
                "absolute path outside it, or a URI."
            )


def _used_paths(config: BaseModel) -> Iterator[tuple[str, Path]]:
    """Yield dotted key and path of every local path that workers read or write."""
    unused = [f"{section}.run.folder" for section in SECTIONS_OF_TRAINING]
    for key, path, _ in local_paths(config, OnEveryNode):
        if key not in unused:
            yield key, path


def _storage(config: BaseModel, prefix: str = "") -> tuple[str, StorageConfig]:
    """Return the storage section and its dotted key; that of a search is the one of its training."""
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, StorageConfig):
            return prefix + name, value
    for section in SECTIONS_OF_TRAINING:
        if hasattr(config, section):
            return _storage(getattr(config, section), f"{section}.")
    return "storage", StorageConfig()


def _marks_of_members(annotation: Any) -> Iterator[Any]:
    """Yield the metadata of a union's members, such as that of the path in `InputFile | None`."""
    for member in get_args(annotation):
        if get_origin(member) is Annotated:
            yield from get_args(member)[1:]
        yield from _marks_of_members(member)
