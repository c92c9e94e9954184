""""""

import tomllib
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from attractor.twins.errors import Mistakes, find_wrongs, validated, without_echoes
from attractor.twins.recordings.json_diff import written_path


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


def _short(value: str) -> str:
    if len(value) > 3:
        raise ValueError("too long")
    return value


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Regex(Strict):
    regex: str


class Pair(Strict):
    one: int
    two: int


class Form(Strict):
    words: str | Regex = ""
    short: Annotated[str, AfterValidator(_short)] | int = ""
    kind: Literal["a"] | int = 0
    pair: Regex | Pair | None = None
    rows: list[str | Regex] = []
    deep: dict[str, list[int] | Regex] = {}
    plain: Pair | None = None


def toml_unions_told(table: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Form.model_validate(table)
    names = {*Form.model_fields, *Regex.model_fields, *Pair.model_fields}
    found = without_echoes(find_wrongs(caught.value.errors(), table), names)
    return [f"{written_path(one.place)}: {one.kind} {one.key}: {one.told}" for one in found]


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ({"words": 5}, "words: string_type str: Input should be a valid string or a table"),
        ({"words": {"regex": 5}}, "words.regex: string_type regex: Input should be a valid string"),
        ({"words": {}}, "words: missing regex: Field required"),
        (
            {"words": {"regx": "a"}},
            "words.regx: extra_forbidden regx: Extra inputs are not permitted",
        ),
        ({"short": "long"}, "short: value_error function-after[_short(), str]: too long"),
        ({"kind": "b"}, "kind: literal_error literal['a']: Input should be 'a' or a valid integer"),
        ({"pair": {"one": 1}}, "pair: missing two: Field required"),
        (
            {"rows": ["a", 5]},
            "rows[1]: string_type str: Input should be a valid string or a table",
        ),
        (
            {"deep": {"x": 1}},
            "deep.x: list_type list[int]: Input should be a list or a table",
        ),
        (
            {"deep": {"x": [1, "a"]}},
            "deep.x[1]: int_type 1: Input should be a valid integer",
        ),
    ],
)
def test_what_could_be_several_things_is_told_once(table: dict[str, Any], wrong: str) -> None:
    assert toml_unions_told(table) == [wrong]


def test_two_mistakes_stay_two() -> None:
    assert len(toml_unions_told({"words": 5, "short": []})) == 2
    assert len(toml_unions_told({"rows": [1, 2]})) == 2
    assert len(toml_unions_told({"plain": {}})) == 2


def test_a_key_that_was_mistyped_is_not_missing_too() -> None:
    assert toml_unions_told({"plain": {"one": 1, "tow": 2}}) == [
        "plain.tow: extra_forbidden tow: Extra inputs are not permitted"
    ]
    assert len(toml_unions_told({"plain": {"one": 1, "elsewhere": 2}})) == 2
