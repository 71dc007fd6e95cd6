"""The look at a page sees what it is there to see."""

from pathlib import Path

import pytest

from tests.browser.page import faults_of

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Faces</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>Faces</h1>{body}</main></body></html>
"""
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def _faults(body: str, folder: Path) -> list[str]:
    file = folder / "page.html"
    file.write_text(PAGE.format(body=body))
    return faults_of(file)


def test_faults_of__a_sound_page_are_none(tmp_path: Path) -> None:
    assert _faults(f'<p>Eight expressions.</p><img src="{PIXEL}" alt="A face">', tmp_path) == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<script>console.log('lost')</script>", ["light: console: lost", "dark: console: lost"]),
        ("<script>throw Error('gone')</script>", ["light: error: gone", "dark: error: gone"]),
        ('<p style="width: 400px">wide</p>', ["too wide for a phone"]),
        ('<p style="width: 800px">wide</p>', ["print: ", "too wide for paper"]),
        (f'<img src="{PIXEL}" alt="">', ["light: 1 images without alt text"]),
        ('<p style="color: #bbb; background: #fff">pale</p>', ["color-contrast, 1 times"]),
        ("<h4>deep</h4>", ["heading-order, 1 times"]),
        ('<img src="other.png" alt="A face">', ["asks for file:", "other.png"]),
    ],
)
def test_faults_of__names_what_is_wrong(body: str, told: list[str], tmp_path: Path) -> None:
    faults = "\n".join(_faults(body, tmp_path))
    for words in told:
        assert words in faults
