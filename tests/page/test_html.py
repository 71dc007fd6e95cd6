"""HTML reports: self-contained, escaped, with text alternatives, command and versions."""

import base64
import platform
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from faceml.page.html import (
    Chapter,
    Headline,
    Picture,
    Report,
    Section,
    command_line,
    package_versions,
    render_report,
    write_report,
)
from faceml.page.tables import DataTable

NASTY = "<script>alert('&')</script>"
PIXEL = Picture("a picture", b"\xff\xd8 pixels", "image/jpeg", 'of "a" face', "a caption")
TABLE = DataTable("a table", ["name", "images"], [["a", "1,200"], [NASTY, "–5"]], highlighted=frozenset({0}))


def report(*chapters: Chapter) -> Report:
    return Report("Faces & people", NASTY, chapters, datetime(2026, 5, 4, 3, 2, tzinfo=UTC))


def chapter(title: str) -> Chapter:
    section = Section("a section", ["a paragraph"], [PIXEL], [TABLE], ["a note"])
    return Chapter(
        title, [Headline("Accuracy", "72.4 %", "n = 5")], [section], f"key: {NASTY}\n", [("fact", "5 s")]
    )


class Elements(HTMLParser):
    """Collect every start tag with its attributes, and check that tags are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(page)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def of(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.found if name == tag)


def test_render_report__every_image_is_inlined_and_described() -> None:
    images = list(Elements(render_report(report(chapter("One"), chapter("Two")))).of("img"))
    assert len(images) == 2
    for image in images:
        assert image["alt"] == 'of "a" face'
        head, _, payload = str(image["src"]).partition(",")
        assert head == "data:image/jpeg;base64"
        assert base64.b64decode(payload) == b"\xff\xd8 pixels"


def test_render_report__refers_to_nothing_outside() -> None:
    page = render_report(report(chapter("One")))
    assert not re.search(r"https?:|//|@import|url\(", page)
    elements = Elements(page)
    assert not {"script", "link", "iframe", "object", "a"} & {tag for tag, _ in elements.found}
    policies = [meta["content"] for meta in elements.of("meta") if meta.get("http-equiv")]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_render_report__text_is_escaped() -> None:
    page = render_report(report(chapter("One")))
    assert "<script" not in page
    # In the summary, a cell and the configuration.
    assert page.count("&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;") == 3
    assert "<title>Faces &amp; people</title>" in page


def test_render_report__headlines_come_before_sections_and_configuration_last() -> None:
    page = render_report(report(chapter("One"), chapter("Two")))
    places = [page.index(text) for text in ("72.4 %", "<h2>One", "<h2>Two", "04 May 2026, 03:02 UTC", "<pre")]
    assert places == sorted(places)
    assert len(list(Elements(page).of("details"))) == 2


def test_render_report__works_in_both_colour_schemes_and_on_a_phone() -> None:
    page = render_report(report(chapter("One")))
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    viewport = next(meta for meta in Elements(page).of("meta") if meta.get("name") == "viewport")
    assert viewport["content"] == "width=device-width, initial-scale=1"
    scroll = next(item for item in Elements(page).of("div") if item.get("class") == "scroll")
    assert scroll["tabindex"] == "0"


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (["1,200", "72.4 %"], True),
        (["−5", "+3", ""], True),
        (["3/8"], True),
        (["12 of 2,409", "1e-4", "66.4–80.2 %"], True),
        (["−0.8…+3.1", "–", "+1.2"], True),
        (["< 0.001", "> 1,000"], True),
        (["– none"], False),
        (["1/0042.jpg", "2/0043.jpg"], False),
        (["resnet18", "1"], False),
        ([""], False),
    ],
)
def test_is_numeric__columns_of_numbers(cells: list[str], numeric: bool) -> None:
    assert DataTable("", ["a"], [[cell] for cell in cells]).is_numeric(0) is numeric


def test_write_report__writes_the_page_and_nothing_else(tmp_path: Path) -> None:
    write_report(report(chapter("One")), tmp_path / "run" / "report.html")
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["report.html"]
    assert (tmp_path / "run" / "report.html").read_text("utf-8") == render_report(report(chapter("One")))


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["/home/me/.venv/bin/faceml", "train", "--set", "a=b c"], "faceml train --set 'a=b c'"),
        (["/srv/faceml/ray_jobs/train.py", "--config", "c.yaml"], "python -m ray_jobs.train --config c.yaml"),
        (["/usr/lib/ipykernel_launcher.py", "-f", "kernel.json"], "called from Python"),
    ],
)
def test_command_line__is_quoted_for_a_shell(
    arguments: list[str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    assert command_line() == command


def test_package_versions__are_those_imported() -> None:
    assert package_versions().startswith(
        f"Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}"
    )
    assert "mediapipe " in package_versions()
