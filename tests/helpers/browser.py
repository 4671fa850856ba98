"""The reader's browser: Chromium of this machine, driven by Playwright, with axe as the judge.

``make browser`` puts both libraries beside the environment; neither brings a browser of its own.
What is not here is named where a test is skipped.
"""

import site
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from helpers import hostile

site.addsitedir(str(Path(sys.prefix) / "browser"))

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update"
)
WIDTHS = (1400, 768, 390)
"""Of a desk, a tablet and a phone, in pixels."""


def missing() -> str:
    """Say what a test needs and does not find; nothing where all is there."""
    wanted = {
        "Chromium (apt-get install chromium)": hostile.browser(),
        "Playwright and axe (make browser)": all(
            map(find_spec, ("playwright", "axe_playwright_python"))
        ),
    }
    lacking = [name for name, found in wanted.items() if not found]
    return f"NO PAGE WAS OPENED: {' and '.join(lacking)} not found" if lacking else ""


@contextmanager
def opened(theme: str) -> Iterator:
    """Yield a page of a new browser whose reader prefers the `theme`; its ``errors`` are a list."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        options = {"executable_path": hostile.browser(), "args": FLAGS.split()}
        browser = driver.chromium.launch(**options)
        page = browser.new_context(color_scheme=theme, offline=True).new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("requestfailed", lambda request: page.errors.append(request.url))
        page.on(
            "console", lambda said: page.errors.extend([said.text] if said.type == "error" else [])
        )
        yield page
        browser.close()


def violations(page) -> list[str]:
    """Return what axe finds on a page, of whatever weight, with the first place of each."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{one['impact']}: {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


def too_wide(page) -> list[int]:
    """Return the widths at which the page, not a box in it, scrolls sideways."""
    wide = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        wide += [width] if page.evaluate("document.documentElement.scrollWidth") > width else []
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    return wide


def links(page) -> list[str]:
    """Return the addresses that a page leads to or shows."""
    return page.evaluate(
        "[...document.querySelectorAll('[href], [src]')].map((e) => e.href || e.src)"
    )


def ids(page) -> set[str]:
    """Return the places of a page that a link can name."""
    return set(page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)"))
