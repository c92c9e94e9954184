"""Pictures of the home screen: wireframes of a specification, screenshots of a built app.

Screenshots come from Chromium, which reaches no address meanwhile.
"""

import asyncio
import importlib.util
from collections.abc import Mapping
from html import escape
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.environments.environment import ExecutionEnvironment
from attractor.growth.specification.graph import Relation, SpecGraph
from attractor.scenarios.chromium import explain_missing, find_chromium, open_chromium

_WIDTH = 360
_LINE = 20
_MARGIN = 12


def draw_wireframe(graph: SpecGraph) -> str:
    """Return an SVG with a box for each panel, in order; a box names the nodes of its panel."""
    top = _MARGIN
    boxes: list[str] = []
    for panel in graph.of_kind("panel"):
        lines = [f"{graph[id_].kind}: {graph[id_].name}" for id_ in panel.targets(Relation.SHOWS)]
        height = _LINE * (len(lines) + 2)
        boxes.append(_box(panel.name, lines, top, height))
        top += height + _MARGIN
    width = _WIDTH + 2 * _MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" '
        f'height="{top}" font-family="sans-serif" font-size="13">'
    )
    return "\n".join([head, f"<title>{escape(graph.root.name)}</title>", *boxes, "</svg>", ""])


def _box(title: str, lines: list[str], top: int, height: int) -> str:
    rectangle = (
        f'<rect x="{_MARGIN}" y="{top}" width="{_WIDTH}" height="{height}" rx="4" '
        'fill="#ffffff" stroke="#57606a"/>'
    )
    texts = [_text(title, top + _LINE, weight="bold")]
    texts += [_text(one, top + _LINE * number) for number, one in enumerate(lines, 2)]
    return "\n".join([rectangle, *texts])


def _text(words: str, y: int, *, weight: str = "normal") -> str:
    style = f'font-weight="{weight}" fill="#1f2328"'
    return f'<text x="{2 * _MARGIN}" y="{y}" {style}>{escape(words)}</text>'


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
        # The lines after the first one are the log of the browser.
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        return f"Chromium failed: {reason}"
    return ""
