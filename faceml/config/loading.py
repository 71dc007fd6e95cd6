"""YAML and `--set` overrides in, a validated configuration out."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from faceml.config.base import Config, MustExist
from faceml.config.config_error import ConfigError
from faceml.config.errors import describe_mistakes
from faceml.config.paths import local_paths
from faceml.errors import flatten_message, translate_errors

AnyConfig = TypeVar("AnyConfig", bound=Config)

FLOAT = "tag:yaml.org,2002:float"
# Of YAML 1.2.2, section 10.3.2, those with an exponent; others are floats to PyYAML already.
NUMBER_WITH_EXPONENT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")
FIRST_LETTERS = list("-+.0123456789")


class _Loader(yaml.SafeLoader):
    """Read plain values, nothing else."""


class _Dumper(yaml.SafeDumper):
    """Quote what the loader would take for a number."""


_Loader.add_implicit_resolver(FLOAT, NUMBER_WITH_EXPONENT, FIRST_LETTERS)
_Dumper.add_implicit_resolver(FLOAT, NUMBER_WITH_EXPONENT, FIRST_LETTERS)


def load_config(
    model: type[AnyConfig],
    file: Path,
    overrides: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> AnyConfig:
    """Read a YAML file, apply overrides, validate the whole, and check that its inputs are there.

    Args:
        model: The job's configuration model.
        file: YAML file.
        overrides: `dotted.key=value` each, the value in YAML: `seed=1`, `data.augmentation.scale=[0.9,1.1]`.
        options: Values of dotted keys, assigned after the overrides.

    Raises:
        ConfigError: One line for each mistake, with the dotted key, the value, and what is allowed.
    """
    raw = assign_keys(apply_overrides(read_mapping(file), overrides), options or {})
    config = parse_config(model, raw)
    check_inputs(config)
    return config


def read_mapping(file: Path, option: str = "--config") -> dict[str, Any]:
    """Read a YAML file without validating it.

    Args:
        file: YAML file.
        option: That names it, for the errors.

    Raises:
        ConfigError: It is not there, no YAML, or no mapping.
    """
    if not file.is_file():
        ready_made = " Ready-made ones are in the folder configs/." if option == "--config" else ""
        raise ConfigError(f"{option} {file}: no such file.{ready_made}")
    with _translate_yaml(f"{option} {file}"):
        raw = load_yaml(file.read_bytes())  # bytes, so that another encoding is a mistake in the YAML
    if not isinstance(raw, dict):
        raise ConfigError(f"{option} {file}: must be a mapping of keys to values, is {type(raw).__name__}.")
    return raw


def parse_config(model: type[AnyConfig], raw: Mapping[str, Any], section: str = "") -> AnyConfig:
    """Validate plain values against a model.

    Args:
        model: The configuration model.
        raw: Values as YAML gives them.
        section: Dotted key of the section that holds them, for the errors; empty if they are the whole.

    Raises:
        ConfigError: One line for each mistake.
    """
    with translate_errors(ValidationError, lambda error: describe_mistakes(error, model, raw, section)):
        return model.model_validate(raw)


def dump_config(config: Config) -> str:
    """Return a configuration as YAML that `load_config` reads back to an equal one."""
    return dump_yaml(config.model_dump(mode="json"))


def apply_overrides(raw: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return `raw` with every `dotted.key=value` set, sections being made as needed.

    Raises:
        ConfigError: An override without `=`, with a malformed value, or below a value that is no section.
    """
    assignments = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {override}: must have the form dotted.key=value.")
        with _translate_yaml(f"--set {override}"):
            assignments[key] = load_yaml(text)
    return assign_keys(raw, assignments)


def assign_keys(raw: Mapping[str, Any], assignments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `raw` with dotted keys assigned.

    Assigning another `kind` or `name` to a section starts it afresh, because the keys of the former kind mean
    nothing to the new one: `weighting.kind=fixed` drops `weighting.learning_rate`. Those are assigned first.

    Raises:
        ConfigError: A key below a value that is no section.
    """
    result = _copy_sections(raw)
    for key, value in sorted(assignments.items(), key=lambda item: not _chooses_kind(item[0])):
        section, rest = result, key
        while rest not in section and "." in rest:
            name = _next_section(section, rest)
            rest = rest.removeprefix(f"{name}.")
            section[name] = {} if section.get(name) is None else section[name]
            section = section[name]
            if not isinstance(section, dict):
                holder = key.removesuffix(f".{rest}")
                raise ConfigError(f"Unknown key: '{key}' (= {value!r}). '{holder}' is a value, no section.")
        if section is not result and _chooses_kind(rest) and section.get(rest) != value:
            section.clear()
        section[rest] = value
    return result


def _next_section(section: Mapping[str, Any], path: str) -> str:
    """Return the section that a dotted path enters; its own name may have dots, as those in `search` do."""
    with_dots = [name for name in section if path.startswith(f"{name}.")]
    return max(with_dots, key=len, default=path.partition(".")[0])


def dotted_keys(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested section as dotted keys of its values."""
    keys: dict[str, Any] = {}
    for name, value in section.items():
        keys |= (
            dotted_keys(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
        )
    return keys


def check_inputs(config: BaseModel, prefix: str = "") -> None:
    """Refuse a configuration whose input files or folders are not there.

    Raises:
        ConfigError: One line for each missing path, with its dotted key.
    """
    lines = [
        f"Bad value: '{key}' = {str(path)!r}: no such {mark.what}. "
        f"Name one with --set {key}={mark.what.upper().replace(' ', '_')}"
        f"{', or use ' + mark.or_else if mark.or_else else ''}."
        for key, path, mark in local_paths(config, MustExist, prefix)
        if not {"folder": path.is_dir, "file": path.is_file, "file or folder": path.exists}[mark.what]()
    ]
    if lines:
        raise ConfigError("\n".join(lines))


def _chooses_kind(key: str) -> bool:
    return key.rpartition(".")[2] in ("kind", "name")


def _copy_sections(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy_sections(value) if isinstance(value, Mapping) else value for key, value in raw.items()}


def _translate_yaml(source: str) -> translate_errors[yaml.YAMLError]:
    return translate_errors(
        yaml.YAMLError, lambda error: ConfigError(f"{source}: malformed YAML: {flatten_message(error)}")
    )


def load_yaml(text: str | bytes) -> Any:
    """Return the plain values of a YAML document.

    Args:
        text: Bytes tell themselves whether they are UTF-8 or UTF-16.

    Raises:
        YAMLError: It is none.
    """
    return yaml.load(text, _Loader)


def dump_yaml(values: Any) -> str:
    """Return plain values as YAML that `load_yaml` reads back, keys in their order."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
