"""Takes pictures of the pages of an app in Chromium, which reaches no address meanwhile."""

import asyncio
import importlib.util
from collections.abc import Mapping
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.environments.environment import ExecutionEnvironment
from attractor.scenarios.chromium import explain_missing, find_chromium, open_chromium

_VIEW = (1280, 800)
_LONGEST_S = 60.0
# Nothing listens there: the pages come as text, and fetch nothing.
_NO_PORT = 9


def why_no_pictures(environ: Mapping[str, str]) -> str:
    """Return why no pictures can be taken here, or ""."""
    missing = explain_missing(
        has_playwright=importlib.util.find_spec("playwright") is not None,
        chromium=find_chromium(environ.get("PATH", "")),
    )
    return missing.message if missing else ""


async def take_pictures(
    pages: Mapping[str, str], folder: Path, environment: ExecutionEnvironment
) -> str:
    """Write `<name>.png` for each page, given as HTML; return why that failed, or ""."""
    # Only apps that are rehearsed need Playwright.
    from playwright.async_api import Error

    try:
        async with asyncio.timeout(_LONGEST_S), open_chromium(environment, _NO_PORT) as browser:
            width, height = _VIEW
            for name, html in pages.items():
                page = await browser.new_page(viewport={"width": width, "height": height})
                await page.set_content(html)
                await page.screenshot(path=folder / f"{name}.png", full_page=True)
    except (AttractorError, Error, TimeoutError) as error:
        return f"Chromium failed: {str(error) or type(error).__name__}"
    return ""
