"""A real browser (Chromium, driven by Playwright) and axe-core; tests skip where absent."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
REPOSITORY = Path(__file__).parent.parent.parent
AXE = next(
    (
        path
        for folder in (REPOSITORY, Path("/usr/local/lib"), Path("/usr/lib"))
        if (path := folder / "node_modules" / "axe-core" / "axe.min.js").is_file()
    ),
    None,
)

PATIENCE_MS = 120_000  # a busy machine is slow; what has not come true by then never will

needs_browser = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="no browser: install Debian's package chromium, and `pip install -e '.[browser]'` (playwright)",
)
needs_axe = pytest.mark.skipif(AXE is None, reason="axe-core is not there: run `npm install --no-save axe-core`")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium without a window."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@contextmanager
def open_page(browser: Browser, url: str, width: int = 1280, height: int = 720, **options: Any) -> Iterator[Page]:
    """A page in a fresh profile; an error of its scripts fails the test.

    Args:
        browser: of `open_browser`.
        url: what to open.
        width, height: of the window in pixels.
        options: of Playwright's `new_context`.
    """
    errors: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    context.set_default_timeout(PATIENCE_MS)
    try:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        yield page
        assert errors == []
    finally:
        context.close()


def expect(page: Page, selector: str) -> Any:
    """Playwright's assertions on an element, which wait for it to come true."""
    from playwright.sync_api import expect as assertions

    assertions.set_options(timeout=PATIENCE_MS)
    return assertions(page.locator(selector))


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong on the page, one line for each rule and element."""
    assert AXE is not None
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then(result => result.violations)")
    return [f"{rule['id']}: {node['html'][:200]} {node['any'][:1]}" for rule in found for node in rule["nodes"]]
