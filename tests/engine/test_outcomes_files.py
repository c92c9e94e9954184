"""A file of outcomes is JSON or TOML, and its mistakes are named."""

from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.engine.outcomes_files import open_outcomes

WANTED = {"plan": "success", "test": ["fail", {"outcome": "success", "notes": "green"}]}
JSON = '{"plan": "success", "test": ["fail", {"outcome": "success", "notes": "green"}]}'
TOML = 'plan = "success"\ntest = ["fail", { outcome = "success", notes = "green" }]\n'


@pytest.mark.parametrize(
    ("name", "text"),
    [("o.json", JSON), ("o.toml", TOML), ("o", f" {JSON}"), ("o", TOML), ("o.toml", "﻿" + TOML)],
)
def test_both_ways_to_write_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert open_outcomes(tmp_path / name) == WANTED


def test_a_table_of_toml_is_an_outcome(tmp_path: Path) -> None:
    file = tmp_path / "o.toml"
    file.write_text('[test]\noutcome = "fail"\ncontext_updates = { color = "red" }\n')
    assert open_outcomes(file) == {"test": {"outcome": "fail", "context_updates": {"color": "red"}}}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("o.json", b"{", "o.json is not JSON"),
        (
            "o.json",
            b'{"a": {"context_updates": {"x": %b1%b}}}' % (b"[" * 90, b"]" * 90),
            "o.json holds lists or tables too deep within each other",
        ),
        ("o.json", b'{"a": %b}' % (b"9" * 5000), "o.json holds a number with too many digits"),
        ("o.json", rb'{"a": "\ud800"}', "o.json holds half a character"),
        ("o.json", b"[]", "o.json: outcomes are written as a table of nodes"),
        ("o.toml", b"test = ", "o.toml is not TOML"),
        ("o.toml", b"test = 2026-01-01", "a value of type date at test"),
        ("o.toml", b"test = 'fial'", "o.toml: outcome of node 'test': 'outcome' cannot be 'fial'"),
        ("o.toml", b"test = '\xff'", "o.toml is not UTF-8"),
        ("missing.json", None, "missing.json: No such file"),
    ],
)
def test_a_mistake_names_the_file_and_the_place(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        open_outcomes(tmp_path / name)
    assert words in str(caught.value)
    assert caught.value.hint
