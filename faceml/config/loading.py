"""Reading, overriding, validation and writing of configurations in YAML.

Numbers follow YAML 1.2. PyYAML implements YAML 1.1, in which `3e-4` is a string and only `3.0e-4` a number.
"""

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
from faceml.config.uris import mask_credentials
from faceml.errors import translate_errors

AnyConfig = TypeVar("AnyConfig", bound=Config)

FLOAT = "tag:yaml.org,2002:float"
# Floats with an exponent (YAML 1.2.2, section 10.3.2); PyYAML already reads others as floats.
NUMBER_WITH_EXPONENT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")
FIRST_LETTERS = list("-+.0123456789")


class _Loader(yaml.SafeLoader):
    """Safe loader that also reads numbers with an exponent, and refuses a key that is given twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Compose a mapping; PyYAML would take the last of several values of a key without a word."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        given = set[tuple[str, str]]()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in given:
                    raise yaml.composer.ComposerError(
                        None, None, f"the key '{key.value}' is given twice", key.start_mark
                    )
                given.add((key.tag, key.value))
        return node


class _Dumper(yaml.SafeDumper):
    """Safe dumper that quotes strings that the loader would read as numbers, and has no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Loader.add_implicit_resolver(FLOAT, NUMBER_WITH_EXPONENT, FIRST_LETTERS)
_Dumper.add_implicit_resolver(FLOAT, NUMBER_WITH_EXPONENT, FIRST_LETTERS)


def load_config(
    model: type[AnyConfig],
    file: Path,
    overrides: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> AnyConfig:
    """Read a YAML file, apply overrides, validate the configuration, and check that its inputs exist.

    Args:
        model: The job's configuration model.
        file: YAML file.
        overrides: `dotted.key=value` with a YAML value, as `seed=1` or `data.augmentation.scale=[0.9,1.1]`.
        options: Values of dotted keys, assigned after the overrides.

    Raises:
        ConfigError: One line for each mistake, with the dotted key, the value, and the allowed values.
    """
    raw = assign_keys(apply_overrides(read_mapping(file), overrides), options or {})
    config = parse_config(model, raw)
    check_inputs(config)
    return config


def read_mapping(file: Path, option: str = "--config") -> dict[str, Any]:
    """Read a YAML file without validating it.

    Args:
        file: YAML file.
        option: Command-line option that names the file, for error messages.

    Raises:
        ConfigError: The file does not exist, or is not a YAML mapping.
    """
    if not file.is_file():
        ready_made = " `faceml init` writes ready-made ones to configs/." if option == "--config" else ""
        raise ConfigError(f"{option} {file}: no such file.{ready_made}")
    with _translate_yaml(f"{option} {file}"):
        raw = load_yaml(file.read_bytes())  # bytes, so that a wrong encoding raises YAMLError
    if not isinstance(raw, dict):
        raise ConfigError(f"{option} {file}: must be a mapping of keys to values, is {type(raw).__name__}.")
    return raw


def parse_config(model: type[AnyConfig], raw: Mapping[str, Any], section: str = "") -> AnyConfig:
    """Validate plain values against a model.

    Args:
        model: The configuration model.
        raw: Values as read from YAML.
        section: Dotted key of the section that contains them, for error messages; empty at the top level.

    Raises:
        ConfigError: One line for each mistake.
    """
    with translate_errors(ValidationError, lambda error: describe_mistakes(error, model, raw, section)):
        return model.model_validate(raw)


def dump_config(config: Config) -> str:
    """Return a configuration as YAML that `load_config` reads back to an equal one."""
    return dump_yaml(config.model_dump(mode="json"))


def apply_overrides(raw: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return `raw` with every `dotted.key=value` set; missing sections are created.

    Raises:
        ConfigError: An override has no `=`, has a malformed value, or is below a value that is not a section.
    """
    assignments = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {mask_credentials(override)}: must have the form dotted.key=value.")
        with _translate_yaml(f"--set {mask_credentials(override)}"):
            assignments[key] = load_yaml(text)
    return assign_keys(raw, assignments)


def assign_keys(raw: Mapping[str, Any], assignments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `raw` with dotted keys assigned, which shares no section with the values.

    Assigning a different `kind` or `name` to a section clears it, because the keys of the old kind do not
    apply to the new one: `weighting.kind=fixed` removes `weighting.learning_rate`. Those are assigned first.

    Raises:
        ConfigError: A key is below a value that is not a section.
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
                raise ConfigError(
                    f"Unknown key: '{key}' (= {mask_credentials(repr(value))}). '{holder}' is a value, not "
                    "a section."
                )
        if section is not result and _chooses_kind(rest) and section.get(rest) != value:
            section.clear()
        section[rest] = _copy_sections(value) if isinstance(value, Mapping) else value
    return result


def _next_section(section: Mapping[str, Any], path: str) -> str:
    """Return the first section of a dotted path; its name may contain dots, as those in `search` do."""
    with_dots = [name for name in section if path.startswith(f"{name}.")]
    return max(with_dots, key=len, default=path.partition(".")[0])


def dotted_keys(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a nested section by their dotted keys."""
    keys: dict[str, Any] = {}
    for name, value in section.items():
        keys |= (
            dotted_keys(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
        )
    return keys


def check_inputs(config: BaseModel, prefix: str = "") -> None:
    """Check that the input files and folders of a configuration exist.

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
    # Not PyYAML's own message: it quotes the text, which may contain credentials.
    def translate(error: yaml.YAMLError) -> ConfigError:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or type(error).__name__
        return ConfigError(f"{source}: malformed YAML: {reason}{place}")

    return translate_errors(yaml.YAMLError, translate, keep_cause=False)


def load_yaml(text: str | bytes) -> Any:
    """Return the plain values of a YAML document.

    Args:
        text: YAML document; bytes may be UTF-8 or UTF-16.

    Raises:
        YAMLError: The text is malformed, or a key is given twice.
    """
    return yaml.load(text, _Loader)


def dump_yaml(values: Any) -> str:
    """Return plain values as YAML that `load_yaml` reads back, with keys in their order."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
