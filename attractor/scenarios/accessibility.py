"""Finds barriers in a page with axe, in a world of JavaScript that the page cannot change.

A page that replaces `axe`, `Promise` or methods of arrays changes its own world only. Each frame is
examined in an isolated world of its own, also where it, or the policy of the page, forbids scripts.
"""

import importlib.util
import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attractor.engine.truncation import one_line

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page

PACKAGE = "axe_playwright_python"
_FILE = "axe.min.js"
_WORLD = "attractor"
_COUNTED = ("serious", "critical")
_LONGEST = 120
# No timer fires in a frame that forbids scripts, and axe waits for one.
_BEFORE = """globalThis.setTimeout = (act, _, ...given) => {
  Promise.resolve().then(() => act(...given));
  return 0;
};
"""
_RUN = """axe.run(document, %s).then(found =>
  JSON.stringify(found.violations.map(one => [one.impact, one.id, one.nodes[0].target.join(" ")])))
"""
# A page has these as a whole, and not each of its frames.
_OF_THE_PAGE = ("aria-hidden-body", "bypass", "document-title", "html-has-lang")
# A form answers with a field of such a name in place of the nodes in it.
_HIDING = frozenset({"childNodes", "documentElement", "nodeType"})
_OPEN_ROOT = "function (root) { Object.defineProperty(this, 'shadowRoot', {value: root}); }"


class _AxeFailed(Exception):
    """axe ended with an error, such as in a form with a field that has a name of the DOM."""


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
    found: set[str] = set()
    is_page = True
    async for session in _sessions(page):
        frames = _frames((await _send(session, "Page.getFrameTree"))["frameTree"])
        worlds = [await _make_world(session, frame) for frame in frames]
        whole = {"depth": -1, "pierce": True}
        tree = (await _send(session, "DOM.getDocument", whole))["root"]
        for node in _nodes(tree):
            found |= _hiding(node)
            for root in node.get("shadowRoots", ()):
                if root["shadowRootType"] == "closed":
                    await _open_root(session, node, root, worlds[0])
        for world in worlds:
            found |= await _examine(session, world, is_page=is_page)
            is_page = False
    return sorted(found)


async def _make_world(session: "CDPSession", frame: str) -> int:
    asked = {"frameId": frame, "worldName": _WORLD}
    return int((await _send(session, "Page.createIsolatedWorld", asked))["executionContextId"])


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a node and all that are in it, also in shadow roots and frames."""
    yield node
    inner = [node["contentDocument"]] if "contentDocument" in node else []
    for child in [*node.get("shadowRoots", ()), *node.get("children", ()), *inner]:
        yield from _nodes(child)


def _hiding(node: Mapping[str, Any]) -> set[str]:
    """Return what a field of a form, by its name, hides from axe."""
    given = node.get("attributes", ())
    named = dict(zip(given[::2], given[1::2], strict=True))
    names = _HIDING & {named.get("name"), named.get("id")}
    return {f"{name} of {node['nodeName'].lower()} hides a form from axe" for name in names}


async def _open_root(
    session: "CDPSession", host: Mapping[str, Any], root: Mapping[str, Any], world: int
) -> None:
    """Let all scripts in our worlds see a shadow root that is closed."""
    objects: list[str] = []
    for node in (host, root):
        asked = {"backendNodeId": node["backendNodeId"], "executionContextId": world}
        objects.append((await _send(session, "DOM.resolveNode", asked))["object"]["objectId"])
    called = {"functionDeclaration": _OPEN_ROOT, "arguments": [{"objectId": objects[1]}]}
    await _send(session, "Runtime.callFunctionOn", {"objectId": objects[0], **called})


async def _examine(session: "CDPSession", world: int, *, is_page: bool) -> set[str]:
    """Return the barriers of one frame; what makes axe fail is one."""
    rules = {} if is_page else {rule: {"enabled": False} for rule in _OF_THE_PAGE}
    options = {"iframes": False, "preload": False, "resultTypes": ["violations"], "rules": rules}
    try:
        await _evaluate(session, f"{_BEFORE}{_axe()}\n;0", world)
        barriers = json.loads(await _evaluate(session, _RUN % json.dumps(options), world))
    except _AxeFailed as error:
        return {str(error)}
    return {
        one_line(f"{rule} at {target}", _LONGEST)
        for impact, rule, target in barriers
        if impact in _COUNTED
    }


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
    if details := said.get("exceptionDetails"):
        thrown = details.get("exception", {}).get("description") or details.get("text", "")
        raise _AxeFailed(one_line(f"axe failed: {thrown}", _LONGEST))
    return str(said["result"].get("value", ""))


async def _send(
    session: "CDPSession", method: str, given: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Return the answer of the browser."""
    return cast(dict[str, Any], await session.send(method, dict(given or {})))  # pyright: ignore[reportUnknownMemberType]
