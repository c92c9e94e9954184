""""""

import tomllib
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from attractor.base.errors import UsageError
from attractor.base.toml import (
    InvalidToml,
    TomlMistake,
    TomlMistakes,
    dotted,
    explain_faults,
    key_lines,
    line_of,
    parse_toml,
    printable,
    read_key,
    shown_value,
)
from tests.tables import table

PARTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(PARTS, min_size=1, max_size=4).map(tuple))
def test_written_key_reads_back_from_one_line(path: tuple[str, ...]) -> None:
    written = dotted(path)
    assert read_key(written) == path
    assert written.isprintable()
    assert tomllib.loads(f"{written} = 0")


def test_keys_are_read_like_toml_reads_them() -> None:
    for text, path in [
        ("output.color", ("output", "color")),
        (" output . color ", ("output", "color")),
        ("aliases.\"gpt-4.1\".'x y'", ("aliases", "gpt-4.1", "x y")),
    ]:
        assert read_key(text) == path
    for text in ["", " ", ".", "a.", "a b", "a=1\nb", "[a]\nb", "# a", '"a', '"\\q"', "a\nb", "ä"]:
        with pytest.raises(ValueError, match="."):
            read_key(text)
    assert dotted(("hooks", 1, "command")) == "hooks[1].command"


@given(st.text())
def test_printable_text_is_one_line(text: str) -> None:
    assert printable(text).isprintable()


def test_line_of_a_key() -> None:
    for text, path, line in (
        ("\n\na = 1", ("a",), 3),
        ("a.b.c = 1\na.b.d = 2", ("a", "b", "d"), 2),
        ("[a.b]\nc = 1\n[a]\nd = 1", ("a", "d"), 4),
        ("[a]\n\n[b]\nx = 1", ("b",), 3),
        ('a = """\nb = 1\n"""\nb = 2', ("b",), 4),
        ("a = '''\n[b]\n''''' # '\nb = 2", ("b",), 4),
        ('a = """x""""\nb = 2', ("b",), 2),
        ("a = '''x''''\nb = 2", ("b",), 2),
        ("a = [ # ]\n[1],\n]\nb = 2", ("b",), 4),
        ('a = [\n  "]", \'[\', # """\n  {b = "}"},\n]\nb = 2', ("b",), 5),
        ('a = "\\"[\\\\"\nb = \'\\\'\nc = 3', ("c",), 3),
        ("# a = [\n  \n # ]\nb = 2", ("b",), 4),
        ("[[a]]\nx = 1\n[[a]]\ny.z = 1\n[a.b]\nc = 2", ("a", 1, "b", "c"), 6),
        ("[[a]]\n[[a.b]]\n[[a]]\n[[a.b]]\n[[a.b]]\nc = 1", ("a", 1, "b", 1, "c"), 6),
        ("\"a b\".'c d' = 1\r\nb = 2\r\n", ("b",), 2),
        # Keys inside a value, and missing keys: the result is the line of the enclosing key.
        ("x = 1\na = {b = {c = 1}}", ("a", "b", "c"), 2),
        ("x = 1\na = [\n  {b = 1},\n]", ("a", 0, "b"), 2),
        ("x = 1\n[a]\n", ("a", "missing"), 2),
        ("a = 1", ("b",), None),
        ("a = 1", (), None),
    ):
        assert tomllib.loads(text)
        assert line_of(path, key_lines(text)) == line


def test_large_text_is_read_in_one_pass() -> None:
    text = "".join(f"[t{number}]\nkey = '''\n\n'''\n" for number in range(2000))
    assert line_of(("t1999", "key"), key_lines(text)) == 1999 * 4 + 2
    assert key_lines("") == {}


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


@table(
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
        # A misspelled key is not reported as missing too.
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


@table(
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
