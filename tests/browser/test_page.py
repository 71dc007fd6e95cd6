"""The checks of pages find what they are there to find."""

from pathlib import Path

import pytest

from tests.browser.page import CHROMIUM, faults_of, fonts_of

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Faces</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>Faces</h1>{body}</main></body></html>
"""
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def _page(body: str, folder: Path) -> Path:
    file = folder / "page.html"
    file.write_text(PAGE.format(body=body))
    return file


def _faults(body: str, folder: Path) -> list[str]:
    return faults_of(_page(body, folder))


def test_faults_of__a_sound_page_are_none(tmp_path: Path) -> None:
    assert _faults(f'<p>Eight expressions.</p><img src="{PIXEL}" alt="A face">', tmp_path) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<script>console.log('lost')</script>", ["light: console: lost", "dark: console: lost"]),
        ("<script>throw Error('gone')</script>", ["light: error: gone", "dark: error: gone"]),
        ('<p style="width: 400px">wide</p>', ["too wide for a phone"]),
        ('<p style="width: 800px">wide</p>', ["print: ", "too wide for paper"]),
        # Some 700 px of text: too wide for a phone only if there is a font to draw it with.
        (f'<p style="white-space: nowrap">{"words " * 16}</p>', ["too wide for a phone"]),
        (f'<img src="{PIXEL}" alt="">', ["light: 1 images without alt text"]),
        ('<p style="color: #bbb; background: #fff">pale</p>', ["color-contrast, 1 times"]),
        ("<h4>deep</h4>", ["heading-order, 1 times"]),
        ('<img src="other.png" alt="A face">', ["asks for file:", "other.png"]),
    ],
)
def test_faults_of__names_what_is_wrong(body: str, expected: list[str], tmp_path: Path) -> None:
    faults = "\n".join(_faults(body, tmp_path))
    for words in expected:
        assert words in faults


def test_fonts_of__are_those_that_come_with_the_browser(tmp_path: Path) -> None:
    unpacked = {folder.name.replace("_", " ") for folder in (CHROMIUM / "fonts").iterdir()}
    text = '<p>Eight <b>expressions</b>.</p><pre style="font-family: monospace">0.5</pre>'
    found = set(fonts_of(_page(text, tmp_path)))
    assert found
    assert found <= unpacked
