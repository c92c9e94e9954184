"""The page about token usage names the counters that are read."""

import re
from typing import Any

from attractor.llm import Usage
from tests.examples import ROOT
from tests.llm.providers.answers import read_anthropic, read_compatible, read_gemini, read_openai
from tests.tables import table

PAGE = ROOT / "docs" / "reference" / "token-usage.md"
ROWS = [line.split("|")[1:-1] for line in PAGE.read_text("utf-8").splitlines() if "|" in line]
FIELDS = {row[0].strip().strip("`"): row[1:] for row in ROWS[2:]}


def openai(usage: Any) -> Usage:
    return read_openai({"output": [], "usage": usage}).usage


def anthropic(usage: Any) -> Usage:
    return read_anthropic({"content": [], "usage": usage}).usage


def gemini(usage: Any) -> Usage:
    return read_gemini({"candidates": [{}], "usageMetadata": usage}).usage


def chat(usage: Any) -> Usage:
    return read_compatible({"choices": [{}], "usage": usage}).usage


@table(("column", "read"), [*enumerate((openai, anthropic, gemini, chat))])
def test_every_counter_of_the_page_is_read(column: int, read: Any) -> None:
    assert [*FIELDS] == [name for name in Usage.__dataclass_fields__ if name != "raw"]
    for field, cells in FIELDS.items():
        counters = re.findall("`([^`]+)`", cells[column])
        for counter in counters:
            outer, _, inner = counter.partition(".")
            assert getattr(read({outer: {inner: 7} if inner else 7}), field) == 7, counter
        assert counters or getattr(read({"other": 7}), field) is None
