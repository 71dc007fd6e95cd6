"""A page as people get to see it: opened in headless Chromium, on a phone and on paper, light and dark."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, sync_playwright

REPOSITORY = Path(__file__).parents[2]
CHROMIUM = Path(sys.prefix) / "chromium"
PHONE_PX = {"width": 390, "height": 844}
PAPER_PX = {"width": 718, "height": 1047}
"""What 1 cm of margin leaves of an A4 page at 96 px an inch."""
IMAGES_WITHOUT_ALT = "[...document.images].filter(image => !image.alt.trim()).length"
TOO_WIDE = "document.documentElement.scrollWidth - window.innerWidth"


def faults_of(page: Path) -> list[str]:
    """Return what is wrong with a page, in words; nothing if it is as it should be.

    It is opened by a process of its own: the browser's client runs a loop of events.
    """
    command = [sys.executable, "-m", "tests.browser.page", str(page.absolute())]
    # Beside the program lie the libraries that a small machine lacks.
    libraries = os.pathsep.join(filter(None, [str(CHROMIUM / "lib"), os.environ.get("LD_LIBRARY_PATH")]))
    environment = os.environ | {"LD_LIBRARY_PATH": libraries}
    ended = subprocess.run(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=120
    )
    faults: list[str] = json.loads(ended.stdout)
    return faults


def look(file: Path) -> Iterator[str]:
    """Open a page in every way, and yield what is wrong with it."""
    with sync_playwright() as client:
        browser = client.chromium.launch(
            executable_path=CHROMIUM / "chromium",
            args=["--no-sandbox"],  # which needs rights that a container has not
        )
        for scheme in ("light", "dark"):
            for fault in look_at_screen(browser, file, scheme):
                yield f"{scheme}: {fault}"
        page = browser.new_page(viewport=PAPER_PX)
        page.emulate_media(media="print")
        page.goto(file.as_uri())
        if page.evaluate(TOO_WIDE) > 0:
            yield f"print: {page.evaluate(TOO_WIDE)} px too wide for paper"
        browser.close()


def look_at_screen(browser: Browser, file: Path, scheme: Any) -> Iterator[str]:
    page = browser.new_page(viewport=PHONE_PX, color_scheme=scheme)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("request", lambda request: faults.extend(foreign(request, file)))
    page.goto(file.as_uri())
    if page.evaluate(TOO_WIDE) > 0:
        faults.append(f"{page.evaluate(TOO_WIDE)} px too wide for a phone")
    if page.evaluate(IMAGES_WITHOUT_ALT):
        faults.append(f"{page.evaluate(IMAGES_WITHOUT_ALT)} images without alt text")
    faults.extend(accessibility(page))
    yield from faults


def foreign(request: Request, file: Path) -> list[str]:
    """Say so if a request is for something other than the page itself."""
    own = request.url.startswith("data:") or request.url == file.as_uri()
    return [] if own else [f"asks for {request.url}"]


def accessibility(page: Page) -> Iterator[str]:
    """Yield what axe-core finds."""
    for violation in Axe().run(page).response["violations"]:
        first = violation["nodes"][0]["html"][:200]
        yield f"{violation['id']}, {len(violation['nodes'])} times: {first}"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(list(look(Path(sys.argv[1])))))
