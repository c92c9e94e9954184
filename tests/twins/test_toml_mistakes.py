import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from attractor.twins.places import written_path
from attractor.twins.toml_mistakes import Mistakes, key_lines, validated

TOML = '''
name = "a"
a.b = 1
[one.two]
x = 1
text = """
y = 2
"""
[[list]]
n = 1
[[list]]
n = 2
[list.inner]
m = 3
[[list.rows]]
[[list.rows]]
"q r" = 4
'''


def test_the_line_of_every_key_that_begins_one_is_known() -> None:
    lines = {written_path(path): line for path, line in key_lines(TOML).items()}
    assert lines == {
        "name": 2,
        "a": 3,
        "a.b": 3,
        "one.two": 4,
        "one.two.x": 5,
        "one.two.text": 6,
        "list[0]": 9,
        "list[0].n": 10,
        "list[1]": 11,
        "list[1].n": 12,
        "list[1].inner": 13,
        "list[1].inner.m": 14,
        "list[1].rows[0]": 15,
        "list[1].rows[1]": 16,
        "list[1].rows[1].q r": 17,
    }


@given(st.lists(st.sampled_from(["[a]", "[[b]]", "[[b.c]]", "x = 1", "y.z = 2", "#"])))
def test_every_key_that_is_found_is_there(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        table: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    for path in key_lines(text):
        value = table
        for step in path:
            value = value[step]


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    count: int = 0
    word: int | str = 0


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    inner: Inner = Inner()
    rows: list[Inner] = []
    json_: int = Field(default=0, alias="json")
    must: int


def told(text: str) -> str:
    mistakes = Mistakes(text, "f.toml")
    assert validated(Outer, tomllib.loads(text), mistakes) is None
    assert mistakes
    return mistakes.told()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inner.count = 1", "f.toml: it needs 'must'"),
        (
            "must = 1\ninner.cuont = 1",
            "f.toml:2: inner.cuont: there is no such key, did you mean 'count'?",
        ),
        ("must = 1\njsn = 1", "f.toml:2: jsn: there is no such key, did you mean 'json'?"),
        ("must = 1\nxyzzy = 1", "f.toml:2: xyzzy: there is no such key"),
        ("must = 1\n[[rows]]\n[[rows]]\ncount = 'a'", "f.toml:4: rows[1].count: Input should be"),
        ("must = 1\nrows = [{}, { word = 1.5 }]", "f.toml:2: rows[1].word: Input should be"),
    ],
)
def test_a_mistake_has_its_line_its_key_and_what_was_probably_meant(
    text: str, message: str
) -> None:
    assert told(text).startswith(message)


def test_what_is_right_is_made() -> None:
    mistakes = Mistakes("", "f.toml")
    made = validated(Outer, {"must": 1, "json": 2}, mistakes)
    assert made is not None
    assert (made.json_, bool(mistakes)) == (2, False)
