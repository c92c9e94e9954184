import tomllib
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from attractor.base.errors import UsageError
from attractor.base.toml_errors import (
    InvalidToml,
    TomlMistake,
    TomlMistakes,
    explain_faults,
    parse_toml,
    shown_value,
)


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
    kind: Literal["alpha", "beta"] | int = 0
    pair: Regex | Pair | None = None
    rows: list[str | Regex] = []
    many: list[int] = Field(default=[1], min_length=1)
    deep: dict[str, list[int] | Regex] = {}
    plain: Pair | None = None
    yes: bool = False
    json_: int = Field(default=0, alias="json")


NAMES = {*Form.model_fields, *Regex.model_fields, *Pair.model_fields, "json"}


def explain(table: dict[str, Any]) -> list[TomlMistake]:
    with pytest.raises(ValidationError) as caught:
        Form.model_validate(table)
    faults = caught.value.errors(include_url=False)
    return explain_faults(faults, table, known=lambda _: sorted(NAMES))


@pytest.mark.parametrize(
    ("table", "lines"),
    [
        ({"words": 5}, [
            'words = 5 should be a valid string or a table (text needs quotes: "5")'
        ]),
        ({"words": {"regex": 5}}, [
            'words.regex = 5 should be a valid string (text needs quotes: "5")'
        ]),
        ({"words": True}, [
            'words = true should be a valid string or a table (text needs quotes: "true")'
        ]),
        ({"plain": {"one": "1", "two": "few"}}, [
            "plain.one = '1' should be a valid integer (remove the quotes)",
            "plain.two = 'few' should be a valid integer",
        ]),
        ({"yes": "true"}, [
            "yes = 'true' should be a valid boolean (write true or false, without quotes)"
        ]),
        ({"words": {}}, ["words.regex is missing (set words.regex)"]),
        ({"words": {"regx": "a"}}, ["unknown key words.regx (did you mean regex?)"]),
        ({"jsn": 1}, ["unknown key jsn (did you mean json?)"]),
        ({"short": "long"}, ["short = 'long': too long"]),
        ({"kind": "b"}, ["kind = 'b' should be 'alpha' or 'beta' or a valid integer"]),
        ({"kind": "bta"}, [
            "kind = 'bta' should be 'alpha' or 'beta' or a valid integer (did you mean beta?)"
        ]),
        ({"pair": {"one": 1}}, ["pair.two is missing (set pair.two)"]),
        ({"rows": ["a", 5]}, [
            'rows[1] = 5 should be a valid string or a table (text needs quotes: "5")'
        ]),
        ({"rows": [1, 2]}, [
            'rows[0] = 1 should be a valid string or a table (text needs quotes: "1")',
            'rows[1] = 2 should be a valid string or a table (text needs quotes: "2")',
        ]),
        ({"many": []}, ["many is empty (add at least one entry)"]),
        ({"many": 1}, ['many = 1 should be a list (write a list, such as ["a", "b"])']),
        ({"deep": {"x": 1}}, [
            'deep.x = 1 should be a list or a table (write a list, such as ["a", "b"])'
        ]),
        ({"deep": {"x": [1, "a"]}}, ["deep.x[1] = 'a' should be a valid integer"]),
        ({"plain": {}}, [
            "plain.one is missing (set plain.one)",
            "plain.two is missing (set plain.two)",
        ]),
        # A mistyped key is not missing as well.
        ({"plain": {"one": 1, "tow": 2}}, ["unknown key plain.tow (did you mean two?)"]),
    ],
)  # fmt: skip
def test_each_mistake_is_explained_once(table: dict[str, Any], lines: list[str]) -> None:
    assert [one.in_one_line for one in explain(table)] == lines


def test_unknown_key_without_a_near_name_lists_known_keys() -> None:
    [mistake] = explain({"xyzzy": 1})
    assert mistake.is_unknown_key
    assert mistake.hint.startswith("known: deep, json, ")


def test_error_has_lines_in_order_and_hint_of_a_single_mistake() -> None:
    text = "jsn = 1\n[plain]\none = 1\ntow = 2\n"
    mistakes = TomlMistakes(text, "f.toml")
    assert not mistakes
    mistakes.add(("plain", "tow"), "wrong", "fix it")
    error = mistakes.error(UsageError)
    assert (error.message, error.hint) == ("f.toml:4: plain.tow: wrong", "fix it")
    mistakes.extend(explain(tomllib.loads("jsn = 1")))
    assert mistakes.error(UsageError).message.splitlines() == [
        "f.toml:1: unknown key jsn (did you mean json?)",
        "f.toml:4: plain.tow: wrong (fix it)",
    ]
    for number in range(30):
        mistakes.add((), f"mistake {number}")
    assert mistakes.lines()[-1] == "and 22 more"


def test_invalid_toml_has_its_position() -> None:
    for text, message in (
        ("a = [", "f.toml:1:6: invalid TOML: Invalid value"),
        ("a = 1\nb = 1 2\n", "f.toml:2:7: invalid TOML: Expected newline"),
        ("a = 1\na = 2", "f.toml:2:6: duplicate key or table"),
        (f"a = {'[' * 9999}", "f.toml: values are nested too deeply"),
        (f"a = 1{'0' * 5000}", "f.toml: invalid TOML: Exceeds the limit"),
    ):
        with pytest.raises(InvalidToml) as caught:
            parse_toml(text)
        assert caught.value.at("f.toml").startswith(message)
        assert parse_toml("a.b = 1") == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("a = hello", "text needs quotes"),
        ("a = [hello]", "text needs quotes"),
        ("a = ~/folder", "text needs quotes"),
        ("b = 1\na = 5 minutes", "write one KEY = VALUE in each line; text needs quotes"),
        ("a = True", "write true"),
        ("a = no", "write false"),
        ("a = null", "remove the key: TOML has no empty value"),
        ("a =", "write a value"),
        ("a = # nothing", "write a value"),
        ("a: 1", "write KEY = VALUE"),
        ("- a", "write KEY = VALUE"),
        ("= 1", "write KEY = VALUE, or [TABLE]"),
        ("[a", "close the name of the table with ]"),
        ("[[a]", "close the name of the table with ]]"),
        ('a = "x', "close the text with a quote"),
        ("a = 'x", "close the text with '"),
        ('a = "x\ny"', "close the text with a quote in its line; a text of several lines needs"),
        ('a = "C:\\dir"', "write \\\\ for a backslash, or put the text in single quotes"),
        ("a = [1 2]", "separate the values by commas, and close the list with ]"),
        ("a = {b = 1 c = 2}", "separate the entries by commas, and close the table with }"),
        ("a = 1\na = 2", "remove one of the two"),
    ],
)
def test_syntax_error_has_its_fix(text: str, fix: str) -> None:
    with pytest.raises(InvalidToml) as caught:
        parse_toml(text)
    assert caught.value.hint.startswith(fix)


def test_long_values_are_shortened() -> None:
    assert shown_value(True) == "true"
    assert len(shown_value("x" * 1000)) < 80
    assert len(shown_value(["x" * 1000] * 1000)) < 500
