"""Checks of a page in headless Chromium: on a phone and on paper, light and dark."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, sync_playwright

REPOSITORY = Path(__file__).parents[2]
CHROMIUM = Path(sys.prefix) / "chromium"
PHONE_PX = {"width": 390, "height": 844}
PAPER_PX = {"width": 718, "height": 1047}
"""Size of an A4 page within margins of 1 cm, at 96 px per inch."""
IMAGES_WITHOUT_ALT = "[...document.images].filter(image => !image.alt.trim()).length"
TOO_WIDE = "document.documentElement.scrollWidth - window.innerWidth"
TEXT_WIDTH = "document.createElement('canvas').getContext('2d').measureText('Faces').width"


def faults_of(page: Path) -> list[str]:
    """Return the faults of a page; empty if there are none."""
    return faults_of_each([page])[0]


def faults_of_each(pages: Sequence[Path]) -> list[list[str]]:
    """Return the faults of several pages, opened in one browser."""
    return in_browser("faults", pages)


def fonts_of(page: Path) -> list[str]:
    """Return the families of the fonts that the text of a page is drawn with."""
    return in_browser("fonts", [page])[0]


def in_browser(check: str, pages: Sequence[Path]) -> list[list[str]]:
    """Run a check of `CHECKS` in a separate process, because the browser's client runs an event loop."""
    command = [sys.executable, "-m", "tests.browser.page", check, *(str(page.absolute()) for page in pages)]
    # The libraries and fonts that a small machine lacks come with the browser.
    libraries = os.pathsep.join(filter(None, [str(CHROMIUM / "lib"), os.environ.get("LD_LIBRARY_PATH")]))
    environment = os.environ | {"LD_LIBRARY_PATH": libraries, "FONTCONFIG_FILE": str(CHROMIUM / "fonts.conf")}
    ended = subprocess.run(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=120
    )
    found: list[list[str]] = json.loads(ended.stdout)
    return found


def faults(browser: Browser, file: Path) -> Iterator[str]:
    """Open a page on a screen and on paper, and yield its faults."""
    for scheme in ("light", "dark"):
        for fault in faults_on_screen(browser, file, scheme):
            yield f"{scheme}: {fault}"
    page = browser.new_page(viewport=PAPER_PX)
    page.emulate_media(media="print")
    page.goto(file.as_uri())
    if page.evaluate(TEXT_WIDTH) == 0:
        yield "text has no width: no font was found, so that nothing can be too wide"
    if page.evaluate(TOO_WIDE) > 0:
        yield f"print: {page.evaluate(TOO_WIDE)} px too wide for paper"


def fonts(browser: Browser, file: Path) -> Iterator[str]:
    """Yield the families of the fonts that the text below `<body>` is drawn with."""
    page = browser.new_page()
    page.goto(file.as_uri())
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    for element in session.send("DOM.querySelectorAll", {"nodeId": root, "selector": "body *"})["nodeIds"]:
        for font in session.send("CSS.getPlatformFontsForNode", {"nodeId": element})["fonts"]:
            yield font["familyName"]


def faults_on_screen(browser: Browser, file: Path, scheme: Any) -> Iterator[str]:
    page = browser.new_page(viewport=PHONE_PX, color_scheme=scheme)
    found: list[str] = []
    page.on("console", lambda message: found.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on("request", lambda request: found.extend(foreign(request, file)))
    page.goto(file.as_uri())
    if page.evaluate(TOO_WIDE) > 0:
        found.append(f"{page.evaluate(TOO_WIDE)} px too wide for a phone")
    if page.evaluate(IMAGES_WITHOUT_ALT):
        found.append(f"{page.evaluate(IMAGES_WITHOUT_ALT)} images without alt text")
    found.extend(accessibility(page))
    yield from found


def foreign(request: Request, file: Path) -> list[str]:
    """Return a fault if a request is for something other than the page itself."""
    own = request.url.startswith("data:") or request.url == file.as_uri()
    return [] if own else [f"asks for {request.url}"]


def accessibility(page: Page) -> Iterator[str]:
    """Yield the findings of axe-core."""
    for violation in Axe().run(page).response["violations"]:
        first = violation["nodes"][0]["html"][:200]
        yield f"{violation['id']}, {len(violation['nodes'])} times: {first}"


CHECKS = {"faults": faults, "fonts": fonts}


def main(check: str, files: Sequence[Path]) -> None:
    """Print the results of a check of each file as JSON lists."""
    with sync_playwright() as client:
        browser = client.chromium.launch(
            executable_path=CHROMIUM / "chromium",
            args=["--no-sandbox"],  # which needs rights that a container has not
        )
        sys.stdout.write(json.dumps([list(CHECKS[check](browser, file)) for file in files]))
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], [Path(file) for file in sys.argv[2:]])
