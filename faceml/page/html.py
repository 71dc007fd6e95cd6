"""A report as one HTML file that needs nothing else: no network, no script, no other file."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

import faceml
from faceml.page.tables import DataTable
from faceml.page.versions import command_line, versions
from faceml.storage import write_text


@dataclass(frozen=True)
class Headline:
    """A figure that a reader came for.

    Attributes:
        label: What it is: `Accuracy`.
        value: As it is shown, with its unit: `72.4 %`.
        detail: How sure it is, and over how many images.
    """

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Picture:
    """An image within a report.

    Attributes:
        title: One line above it.
        data: The encoded image.
        media_type: What `data` is. A chart (SVG) has dark ink and no background, for the page to turn.
        alt: What it shows, for those who cannot see it: the finding, not the look.
        caption: How to read it.
    """

    title: str
    data: bytes
    media_type: Literal["image/svg+xml", "image/png", "image/jpeg"]
    alt: str
    caption: str = ""

    @property
    def data_uri(self) -> str:
        """The image as an address that holds it."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"

    @property
    def is_chart(self) -> bool:
        """Whether it is drawn in ink on nothing, not a photograph."""
        return self.media_type == "image/svg+xml"


@dataclass(frozen=True)
class Section:
    """A part of a chapter: paragraphs, then pictures, then tables, then notes in small print."""

    title: str
    text: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[DataTable] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Chapter:
    """What one run has to say.

    Attributes:
        title: What the run did: `Training`.
        headlines: Its figures for the top of the report.
        sections: In reading order.
        config: The resolved configuration, as YAML.
        facts: More about where the figures come from: pairs of a name and a value.
    """

    title: str
    headlines: Sequence[Headline]
    sections: Sequence[Section]
    config: str
    facts: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Report:
    """One or more runs on a page.

    Attributes:
        title: Of the page.
        summary: The answer in one or two sentences.
        chapters: In the order of the work.
        made: When, with a time zone.
        version: Of the faceml that made it.
        command: By which.
        versions: Of what else it was made with.
    """

    title: str
    summary: str
    chapters: Sequence[Chapter]
    made: datetime = field(default_factory=lambda: datetime.now(UTC))
    version: str = faceml.__version__
    command: str = field(default_factory=command_line)
    versions: str = field(default_factory=versions)


def render_report(report: Report) -> str:
    """Return a report as one HTML document."""
    environment = Environment(
        loader=PackageLoader("faceml.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(report=report)


def write_report(report: Report, path: Path) -> None:
    """Write a report as one HTML file, whole or not at all."""
    write_text(path, render_report(report))
