"""The checks of pages find what they are there to find."""

from pathlib import Path

import pytest

from tests.browser.page import CHROMIUM, faults_of_each, fonts_of

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Faces</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>Faces</h1>{body}</main></body></html>
"""
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


SOUND = f'<p>Eight expressions.</p><img src="{PIXEL}" alt="A face">'
WRONG = {
    "<script>console.log('lost')</script>": ["light: console: lost", "dark: console: lost"],
    "<script>throw Error('gone')</script>": ["light: error: gone", "dark: error: gone"],
    '<p style="width: 400px">wide</p>': ["too wide for a phone"],
    '<p style="width: 800px">wide</p>': ["print: ", "too wide for paper"],
    # Some 700 px of text: too wide for a phone only if there is a font to draw it with.
    f'<p style="white-space: nowrap">{"words " * 16}</p>': ["too wide for a phone"],
    f'<img src="{PIXEL}" alt="">': ["light: 1 images without alt text"],
    '<p style="color: #bbb; background: #fff">pale</p>': ["color-contrast, 1 times"],
    "<h4>deep</h4>": ["heading-order, 1 times"],
    '<img src="other.png" alt="A face">': ["asks for file:", "other.png"],
}
"""Words of the faults by body of the page."""


def write_page(body: str, file: Path) -> Path:
    file.write_text(PAGE.format(body=body))
    return file


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Faults by body of the page."""
    folder, bodies = tmp_path_factory.mktemp("pages"), [SOUND, *WRONG]
    pages = [write_page(body, folder / f"{number}.html") for number, body in enumerate(bodies)]
    return dict(zip(bodies, faults_of_each(pages), strict=True))


def test_faults_of__a_sound_page_are_none(faults: dict[str, list[str]]) -> None:
    assert faults[SOUND] == []


@pytest.mark.parametrize("body", WRONG)
def test_faults_of__names_what_is_wrong(body: str, faults: dict[str, list[str]]) -> None:
    found = "\n".join(faults[body])
    for words in WRONG[body]:
        assert words in found


def test_fonts_of__are_those_that_come_with_the_browser(tmp_path: Path) -> None:
    unpacked = {folder.name.replace("_", " ") for folder in (CHROMIUM / "fonts").iterdir()}
    text = '<p>Eight <b>expressions</b>.</p><pre style="font-family: monospace">0.5</pre>'
    found = set(fonts_of(write_page(text, tmp_path / "page.html")))
    assert found
    assert found <= unpacked
