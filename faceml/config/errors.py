"""Translation of pydantic's errors into messages with the dotted key, the value and the allowed values."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from faceml.config.base import PLACE_TAG, SOURCES_TAG
from faceml.config.config_error import ConfigError
from faceml.config.sections.tasks import TaskConfig, config_of_kind
from faceml.config.uris import mask_credentials

Location = tuple[int | str, ...]

# Replacements for pydantic's messages about Python types; a list that is too short has "missing" items.
PLAIN_WORDS = {
    "missing": "has too few items",
    "dict_type": "must be a section of keys",
    "model_type": "must be a section of keys",
    "model_attributes_type": "must be a section of keys",
    "path_type": "must be a path",
    "tuple_type": "must be a list",
    "too_short": "has too few items",
}


def describe_mistakes(
    error: ValidationError, model: type[BaseModel], raw: Mapping[str, Any], section: str = ""
) -> ConfigError:
    """Return a `ConfigError` with one line for each error that pydantic found.

    Args:
        error: Validation error of pydantic.
        model: Model that the values were validated against.
        raw: The values as read from YAML.
        section: Dotted key of the section that contains them; empty for a complete configuration.
    """
    section_path = tuple(section.split(".")) if section else ()
    reasons: dict[str, list[str]] = {}
    for detail in error.errors():
        subject, reason = _describe(detail, model, raw, section_path)
        reasons.setdefault(subject, []).append(reason)
    # A value that matches no member of a union has one reason for each member.
    lines = [f"{subject}{', or '.join(filter(None, each))}." for subject, each in reasons.items()]
    return ConfigError("\n".join(lines))


def key_path(location: Location, raw: Any) -> tuple[str, ...]:
    """Return the keys that the user wrote for a pydantic error location, without the tags of unions.

    pydantic includes the tag of a discriminated union in the location, as in
    `weighting`, `fixed`, `lambda_landmarks`. The tag is not a key of the raw data; it equals the section's
    `kind` or `name`. Parts that follow a plain value, such as the members of a union that it does not match,
    are omitted too.
    """
    path: list[str] = []
    for part in location:
        if part in (PLACE_TAG, SOURCES_TAG):
            continue
        if isinstance(raw, Mapping):
            if part not in raw and part in (raw.get("kind"), raw.get("name")):
                continue
            raw = raw.get(part)
        elif isinstance(raw, list) and isinstance(part, int) and part < len(raw):
            raw = raw[part]
        else:
            break
        path.append(str(part))
    return tuple(path)


def _describe(
    detail: ErrorDetails, model: type[BaseModel], raw: Mapping[str, Any], section: tuple[str, ...]
) -> tuple[str, str]:
    """Return the subject of an error, and the reason, which is empty if the subject is a complete message."""
    path = key_path(detail["loc"], raw)
    key = ".".join(section + path)
    if detail["type"] == "missing" and isinstance(detail["loc"][-1], str):
        return f"Missing key: '{key}'. Add it to the YAML file or pass --set {key}=VALUE", ""
    if detail["type"] == "extra_forbidden":
        return _describe_unknown(section, path, detail["input"], _keys_allowed_at(model, raw, path[:-1])), ""
    if detail["type"] == "union_tag_not_found":
        return f"Missing key: '{key}.{_discriminator(detail)}'. Set it to select the kind of {key}", ""
    if detail["type"] == "union_tag_invalid":
        tag, expected = detail["ctx"]["tag"], detail["ctx"]["expected_tags"]
        return f"Bad value: '{key}.{_discriminator(detail)}' = {tag!r}: ", f"must be one of {expected}"
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    reason = PLAIN_WORDS.get(detail["type"], message)
    subject = f"'{key}'" if key else "the configuration"
    value = "" if isinstance(detail["input"], Mapping) else f" = {mask_credentials(repr(detail['input']))}"
    return f"Bad value: {subject}{value}: ", reason


def _discriminator(detail: ErrorDetails) -> str:
    return str(detail["ctx"]["discriminator"]).strip("'")


def _describe_unknown(
    section: tuple[str, ...], path: tuple[str, ...], value: Any, allowed: Sequence[str]
) -> str:
    *parent, name = section + path
    close = difflib.get_close_matches(name, allowed, n=1)
    hint = f" Did you mean '{'.'.join([*parent, *close])}'?" if close else ""
    where = f"under '{'.'.join(parent)}'" if parent else "at the top"
    key = ".".join([*parent, name])
    shown = mask_credentials(repr(value))
    return f"Unknown key: '{key}' (= {shown}).{hint} Allowed {where}: {', '.join(allowed)}"


def _keys_allowed_at(model: type[BaseModel], raw: Any, path: Sequence[str]) -> list[str]:
    """Return the keys of the section at `path`, following the union members that the raw data select."""
    section: Any = model
    for part in path:
        raw = raw.get(part) if isinstance(raw, Mapping) else None
        if isinstance(section, type) and issubclass(section, BaseModel):
            section = section.model_fields[part].annotation
        elif get_origin(section) is dict:
            section = get_args(section)[1]
        section = _chosen_member(section, raw)
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []


def _chosen_member(annotation: Any, raw: Any) -> Any:
    """Return the union member that the raw section's `kind` or `name` selects; other types unchanged."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, TaskConfig) and isinstance(raw, Mapping):
        return config_of_kind(raw["kind"])
    if get_origin(annotation) is dict or isinstance(annotation, type):
        return annotation
    members = [get_args(m)[0] if get_origin(m) is Annotated else m for m in get_args(annotation)]
    dicts = [member for member in members if get_origin(member) is dict]
    if dicts:
        return dicts[0]
    models = [m for m in members if isinstance(m, type) and issubclass(m, BaseModel)]
    tag = (raw.get("kind") or raw.get("name")) if isinstance(raw, Mapping) else None
    for member in models:
        field = member.model_fields.get("kind") or member.model_fields.get("name")
        if field is None or tag in get_args(field.annotation):
            return member
    return None
