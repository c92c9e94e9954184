import tomllib

import pytest
from pydantic import BaseModel, ConfigDict, Field

from attractor.twins.toml_mistakes import Mistakes, validated


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
