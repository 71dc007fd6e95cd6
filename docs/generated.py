"""What of the site is made from the code when it is built: the commands, and the settings of every job.

A page has `<!-- commands -->`, or `<!-- settings faceml.config.train:TrainConfig -->`, in which keys may
follow that are told elsewhere.
"""

import importlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from typer.cli import get_docs_for_click

from ray_jobs.cli import app

COMMANDS = "<!-- commands -->"
SETTINGS = re.compile(r"<!-- settings (?P<module>[\w.]+):(?P<model>\w+)(?P<without>[ \w.]*) -->")
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
TYPES = {"string": "text", "boolean": "true or false", "array": "list", "object": "keys", "null": "null"}

Schema = dict[str, Any]


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill a page in; MkDocs calls it."""
    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, commands())
    return SETTINGS.sub(lambda m: settings(m["module"], m["model"], m["without"].split()), markdown)


def commands() -> str:
    """Return what `faceml --help` and that of each command say."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="faceml")  # type: ignore[arg-type]
    body = text.split("\n", 1)[1].replace("```console", "```text")
    # A paragraph of its own, as something to copy.
    return re.sub(
        r"^Example: (.*?)\n\n",
        lambda m: f"```text\n{' '.join(m[1].split())}\n```\n\n",
        body,
        flags=re.M | re.S,
    )


def settings(module: str, model: str, without: Sequence[str] = ()) -> str:
    """Return a table of the dotted keys of a job's configuration."""
    schema = getattr(importlib.import_module(module), model).model_json_schema()
    lines = ["| key | values | default | |", "|---|---|---|---|"]
    for key, values, default, text in rows(schema, schema.get("$defs", {}), "", without):
        told = " ".join(text.split()).replace("|", "\\|")
        lines.append(f"| `{key}` | {values} | {default} | {told} |")
    return "\n".join(lines) + "\n"


def rows(
    schema: Schema, known: Schema, prefix: str, without: Sequence[str] = ()
) -> Iterator[tuple[str, str, str, str]]:
    """Yield key, values, default and description of each setting."""
    for name, field in schema["properties"].items():
        key = prefix + name
        if key in without:
            continue
        options = [resolved(option, known) for option in alternatives(field)]
        sections = [option for option in options if "properties" in option]
        others = [option for option in options if "properties" not in option]
        if len(sections) == 1 and not others:  # it has no value of its own
            yield from rows(sections[0], known, f"{key}.", without)
            continue
        default = (
            f"`{json.dumps(field['default'], ensure_ascii=False)}`" if "default" in field else "required"
        )
        if sections and "default" in field and field["default"]:
            default = ", ".join(f"{part}: {value}" for part, value in field["default"].items())
        values = [values_of(option) for option in others] + [f"`{kind_of(option)}`" for option in sections]
        yield key, " or ".join(dict.fromkeys(values)), default, field.get("description", "")
        for option in sections:
            kind = {part: told for part, told in option["properties"].items() if "const" not in told}
            of = kind_of(option)
            for row in rows({"properties": kind}, known, f"{key}.", without):
                yield row[0], row[1], row[2], f"{row[3]} ({of})" if len(sections) > 1 else row[3]


def alternatives(field: Schema) -> list[Schema]:
    """Return what a field may be."""
    options = field.get("anyOf") or field.get("oneOf")
    return [each for option in options for each in alternatives(option)] if options else [field]


def resolved(option: Schema, known: Schema) -> Schema:
    """Return what a reference refers to."""
    found: Schema = known[option["$ref"].rpartition("/")[2]] if "$ref" in option else option
    return found


def kind_of(section: Schema) -> str:
    """Return what tells one section from others in the same place."""
    kinds = [f"{name}: {field['const']}" for name, field in section["properties"].items() if "const" in field]
    return kinds[0] if kinds else "keys below"


def values_of(option: Schema) -> str:
    """Say what values are allowed."""
    if "const" in option:
        return f"`{option['const']}`"
    if "enum" in option:
        return ", ".join(f"`{value}`" for value in option["enum"])
    kind = option.get("type", "")
    bounds = [f"{sign} {option[bound]:g}" for bound, sign in BOUNDS.items() if bound in option]
    name = {"integer": "whole number", "number": "number"}.get(kind) or TYPES.get(kind, kind)
    return " ".join([name, *bounds])
