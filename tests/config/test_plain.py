"""Settings that are read without pydantic are those that pydantic reads."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings, strategies as st

from attractor.base.toml import KeyPath
from attractor.config.configuration import Origin, OriginKind
from attractor.config.load import read_plainly
from attractor.config.schema import FREE_KEY, slots
from attractor.config.settings import Settings
from attractor.config.sources import Source
from attractor.config.validation import load_sources
from tests.counts import count

BASE = Path("/base")
PATHS = [slot.path for slot in slots(Settings)]
VALID: Sequence[object] = (
    *("", "x", "/abs", "a/b", "~", "auto", "warn", "error", "off", "always", "cargo", "anthropic"),
    *("true", "false", "yes", "1", "12", "007", "12h", "WEB_PORT", "a@mail.example", "read_only"),
    *("https://host/path", "smtp://host:25", "provider/model", "host.example", "x" * 16, "x*", "["),
    *(True, False, 0, 1, 5, 600, 1 << 40, 1.5),
)
WORDS = st.sampled_from(VALID) | st.text(max_size=5) | st.integers()
LEAVES = (
    WORDS | st.lists(WORDS, max_size=3) | st.dictionaries(st.text(max_size=3), WORDS, max_size=2)
)
VALUES: Sequence[object] = (
    *VALID,
    *("ask", ["x"], ["cargo"], ["a/b"], ["WEB"], ["provider/model"], {}, []),
)
Tree = dict[str, object]
PLACES: Tree = {"kind": {"image": "x"}, "image": {"kind": "podman"}, "host": {}}
KINDS = [OriginKind.USER, OriginKind.PROJECT, OriginKind.VARIABLE, OriginKind.FLAG]
KEYS = st.sampled_from(["name", "A_KEY", "WEB", "http-1", "x"])


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Draw some settings, most of them known, with values that may be valid."""
    tree: Tree = {}
    for path in draw(st.lists(st.sampled_from(PATHS), max_size=4)):
        keys = [draw(KEYS) if key == FREE_KEY else str(key) for key in path]
        *outer, last = keys if draw(st.integers(0, 19)) else keys[: draw(st.integers(1, len(keys)))]
        node = tree
        for key in outer:
            inner = node.setdefault(key, {})
            node = cast(Tree, inner) if isinstance(inner, dict) else node
        node[last] = draw(LEAVES)
    return tree


def is_read_plainly(*values: tuple[OriginKind, Tree]) -> bool:
    """Return whether settings are read without pydantic, which must read the same."""
    sources = [Source(Origin(kind, str(kind)), BASE, tree) for kind, tree in values]
    try:
        plain = read_plainly(sources, BASE, home="/home/me")
    except ValueError:
        return False
    readers = [partial(replace, one) for one in sources]
    checked = load_sources(Settings, readers, BASE, home="/home/me")
    assert plain == checked
    assert list(plain.origins.items()) == list(checked.origins.items())
    return True


@settings(max_examples=count(ci=100, full=3000), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KINDS), trees()), max_size=3))
def test_what_is_read_plainly_is_what_pydantic_reads(values: list[tuple[OriginKind, Tree]]) -> None:
    is_read_plainly(*values)


@pytest.mark.parametrize("path", PATHS, ids=[".".join(map(str, path)) for path in PATHS])
def test_each_setting_is_read_without_pydantic(path: KeyPath) -> None:
    server: Tree = {"url": "https://host"} if "headers" in path else {"command": "x"}
    name = "a" if path[0] == "places" else "A"
    is_part = path[:2] == ("agent", "mcp") and path[-1] not in ("url", "command")
    others: Tree = {
        "llm": {"cache": "c", "redact": True},
        "agent": {"mcp": {"A": server} if is_part else {}},
        "places": {name: PLACES.get(str(path[-1]), {"host": "box"})} if path[0] == "places" else {},
    }
    read = 0
    for value in VALUES:
        for kind in (OriginKind.PROJECT, OriginKind.VARIABLE):
            tree = value
            for key in reversed(path):
                tree = {name if key == FREE_KEY else str(key): tree}
            read += is_read_plainly((OriginKind.USER, others), (kind, cast(Tree, tree)))
    assert read, "no valid value is read without pydantic"
