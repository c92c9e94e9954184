"""Starts Debian's Chromium for tests of pages and drawings."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.needs import require
from tests.patience import PATIENCE_S


@dataclass(frozen=True)
class Screen:
    """The only page of a browser, with its console messages and its requests."""

    page: Page
    said: list[str]

    def evaluate(self, html: str, script: str, *, dark: bool) -> Any:
        """Show an empty page; return the value of a script in it."""
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.page.set_content(html)
        value = self.page.evaluate(script)
        assert self.said == []
        return value


PICTURES = os.environ.get("PICTURES", "")
"""The folder in which tests keep the pictures of the documentation; by default, they keep none."""


def keep_picture(page: Page, name: str) -> None:
    """Keep a picture of the upper part of a page."""
    if PICTURES:
        page.set_viewport_size({"width": 1100, "height": 640})
        page.screenshot(path=f"{PICTURES}/{name}.png")


@contextmanager
def chromium() -> Generator[Screen]:
    """Start a browser with one page; skip the test if there is no browser."""
    with browser() as started:
        yield _screen(started.new_page())


@contextmanager
def browser() -> Generator[Browser]:
    """Start a browser; skip the test if there is none."""
    program = require("chromium")
    # Chromium has no sandbox for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=1000 * PATIENCE_S)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield started
        finally:
            started.close()


def _screen(page: Page) -> Screen:
    said: list[str] = []
    page.set_default_timeout(1000 * PATIENCE_S)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(f"asks for {request.url}"))
    return Screen(page, said)
