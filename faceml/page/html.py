"""Reports as self-contained HTML files: no network, no script, no other file."""

import base64
import importlib.metadata
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

import faceml
from faceml.page.tables import DataTable
from faceml.storage import write_text

PACKAGES = ("torch", "torchvision", "ray", "mediapipe", "opencv-python", "numpy", "pyarrow")


@dataclass(frozen=True)
class Headline:
    """A key figure at the top of a report.

    Attributes:
        label: Name of the figure, such as `Accuracy`.
        value: Formatted value with its unit, such as `72.4 %`.
        detail: Its interval and sample size.
    """

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Picture:
    """An image within a report.

    Attributes:
        title: One line above the image.
        data: The encoded image.
        media_type: Type of `data`. SVG charts are inverted in dark mode.
        alt: Text alternative that states the finding, for readers who cannot see the image.
        caption: How to read the image.
    """

    title: str
    data: bytes
    media_type: Literal["image/svg+xml", "image/png", "image/jpeg"]
    alt: str
    caption: str = ""

    @property
    def data_uri(self) -> str:
        """The image as a data URI."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"

    @property
    def is_chart(self) -> bool:
        """Whether the image is a chart, not a photograph."""
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
    """Report of one run.

    Attributes:
        title: Kind of the run, such as `Training`.
        headlines: Key figures for the top of the report.
        sections: In reading order.
        config: The resolved configuration, as YAML.
        facts: Provenance: pairs of a name and a value.
    """

    title: str
    headlines: Sequence[Headline]
    sections: Sequence[Section]
    config: str
    facts: Sequence[tuple[str, str]] = ()


def command_line() -> str:
    """Return the faceml command of this process, quoted for a shell."""
    program = Path(sys.argv[0])
    if program.suffix == ".py" and program.parent.name == "ray_jobs":
        return shlex.join(["python", "-m", f"ray_jobs.{program.stem}", *sys.argv[1:]])
    return shlex.join(["faceml", *sys.argv[1:]]) if program.name == "faceml" else "called from Python"


def package_versions() -> str:
    """Return the versions of Python and of the packages that results may depend on."""
    # Of several distributions on the path, the first is the one that is imported.
    found = ((name, next(iter(importlib.metadata.distributions(name=name)), None)) for name in PACKAGES)
    installed = [f"{name} {package.version}" for name, package in found if package]
    return ", ".join([f"Python {platform.python_version()}", *installed])


@dataclass(frozen=True)
class Report:
    """A page about one or more runs.

    Attributes:
        title: Title of the page.
        summary: Result in one or two sentences.
        chapters: One for each run, in the order of the workflow.
        made: Time of creation, with a time zone.
        version: Version of faceml.
        command: Command line of the process.
        versions: Versions of Python and of the main packages.
    """

    title: str
    summary: str
    chapters: Sequence[Chapter]
    made: datetime = field(default_factory=lambda: datetime.now(UTC))
    version: str = faceml.__version__
    command: str = field(default_factory=command_line)
    versions: str = field(default_factory=package_versions)


def render_report(report: Report) -> str:
    """Render a report as one HTML document."""
    environment = Environment(
        loader=PackageLoader("faceml.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(report=report)


def write_report(report: Report, path: Path) -> None:
    """Write a report as one HTML file, atomically."""
    write_text(path, render_report(report))
