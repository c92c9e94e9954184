"""Finds barriers in a page with axe, in a world of JavaScript that the page cannot change.

A page that replaces `axe`, `Promise` or methods of arrays changes its own world only. Each frame is
examined in an isolated world of its own, also where the policy of the page forbids scripts.
"""

import importlib.util
import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attractor.engine.outcome import Culprit
from attractor.engine.truncation import one_line
from attractor.scenarios.evaluation import TrialTrouble

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page

PACKAGE = "axe_playwright_python"
_FILE = "axe.min.js"
_WORLD = "attractor"
_COUNTED = ("serious", "critical")
_LONGEST = 120
_RUN = """axe.run(document, {iframes: false, resultTypes: ["violations"]}).then(found =>
  JSON.stringify(found.violations.map(one => [one.impact, one.id, one.nodes[0].target.join(" ")])))
"""


def has_axe() -> bool:
    """Return whether the package with axe is installed."""
    return importlib.util.find_spec(PACKAGE) is not None


@cache
def _axe() -> str:
    spec = importlib.util.find_spec(PACKAGE)
    assert spec
    assert spec.origin
    return Path(spec.origin).with_name(_FILE).read_text("utf-8")


async def find_barriers(page: "Page") -> list[str]:
    """Return the serious and critical barriers of a page and its frames: `RULE at SELECTOR`."""
    found: list[str] = []
    async for session in _sessions(page):
        for frame in _frames((await _send(session, "Page.getFrameTree"))["frameTree"]):
            asked = {"frameId": frame, "worldName": _WORLD}
            made = await _send(session, "Page.createIsolatedWorld", asked)
            world = int(made["executionContextId"])
            await _evaluate(session, f"{_axe()}\n;0", world)
            barriers = json.loads(await _evaluate(session, _RUN, world))
            found += [
                one_line(f"{rule} at {target}", _LONGEST)
                for impact, rule, target in barriers
                if impact in _COUNTED
            ]
    return sorted({*found})


async def _sessions(page: "Page") -> AsyncGenerator["CDPSession"]:
    """Yield the session of a page, and those of frames that are in processes of their own."""
    # Only suites with this check need Playwright.
    from playwright.async_api import Error

    yield await page.context.new_cdp_session(page)
    for frame in page.frames[1:]:
        try:
            yield await page.context.new_cdp_session(frame)
        except Error:
            # It is in the process of the page.
            continue


def _frames(tree: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ids of a frame and of the frames in it."""
    yield tree["frame"]["id"]
    for child in tree.get("childFrames", ()):
        yield from _frames(child)


async def _evaluate(session: "CDPSession", code: str, world: int) -> str:
    """Return the value of an expression in a world."""
    wanted = {"contextId": world, "awaitPromise": True, "returnByValue": True}
    said = await _send(session, "Runtime.evaluate", {"expression": code, **wanted})
    if "exceptionDetails" in said:
        words = one_line(str(said["exceptionDetails"].get("text", "")), _LONGEST)
        raise TrialTrouble(f"axe failed: {words}", Culprit.MACHINERY, reason="axe failed")
    return str(said["result"].get("value", ""))


async def _send(
    session: "CDPSession", method: str, given: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Return the answer of the browser."""
    return cast(dict[str, Any], await session.send(method, dict(given or {})))  # pyright: ignore[reportUnknownMemberType]
