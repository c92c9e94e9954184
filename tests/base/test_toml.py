""""""

import json
import tomllib
from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.base.toml import KeyPath, dotted, key_lines, line_of, printable, read_key
from tests.counts import count

PARTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(PARTS, min_size=1, max_size=4).map(tuple))
def test_a_written_key_is_read_back_and_stands_on_one_line(path: tuple[str, ...]):
    written = dotted(path)
    assert read_key(written) == path
    assert written.isprintable()
    assert tomllib.loads(f"{written} = 0")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("output.color", ("output", "color")),
        (" output . color ", ("output", "color")),
        ("aliases.\"gpt-4.1\".'x y'", ("aliases", "gpt-4.1", "x y")),
    ],
)
def test_keys_are_read_as_toml_reads_them(text: str, path: tuple[str, ...]):
    assert read_key(text) == path


@pytest.mark.parametrize(
    "text", ["", " ", ".", "a.", "a b", "a=1\nb", "[a]\nb", "# a", '"a', '"\\q"', "a\nb", "ä"]
)
def test_what_is_no_key_is_refused(text: str):
    with pytest.raises(ValueError, match="."):
        read_key(text)


def test_an_index_is_written_in_brackets():
    assert dotted(("hooks", 1, "command")) == "hooks[1].command"


@given(st.text())
def test_printable_text_has_one_line(text: str):
    assert printable(text).isprintable()


Table = dict[str, object]

TEXT = st.text(st.sampled_from("ab#=.,[]{}'\"\\ \n\té"), max_size=8)
KEYS = st.sampled_from(["a", "b", "c-1", "d.e", "f g", "é", "", '"', "[x]", "#"])
PLAIN: st.SearchStrategy[object] = st.one_of(
    st.integers(), st.booleans(), TEXT, st.lists(TEXT, max_size=3)
)


def _around(inner: st.SearchStrategy[Table]) -> st.SearchStrategy[Table]:
    values: st.SearchStrategy[object] = PLAIN | inner | st.lists(inner, min_size=1, max_size=2)
    return st.dictionaries(KEYS, values, max_size=4)


TABLES = st.recursive(st.dictionaries(KEYS, PLAIN, max_size=3), _around, max_leaves=12)


@dataclass
class Writer:
    """Writes a table as TOML in one of its many ways, and notes the line of every key."""

    data: st.DataObject
    text: str = ""
    places: dict[KeyPath, int] = field(default_factory=dict[KeyPath, int])

    def table(self, table: Table, path: KeyPath, names: tuple[str, ...]) -> None:
        later: list[str] = []
        for key, value in table.items():
            if self._is_plain(value):
                self._assign((key,), value, path)
            elif self._may_be_dotted(value):
                for inner, plain in cast(Table, value).items():
                    self._assign((key, inner), plain, path)
            else:
                later.append(key)
        for key in later:
            self._opened(key, table[key], path, names)

    def _opened(self, key: str, value: object, path: KeyPath, names: tuple[str, ...]) -> None:
        names = (*names, key)
        if isinstance(value, dict):
            self._line((*path, key), f"[{self._spaced(names)}]")
            self.table(cast(Table, value), (*path, key), names)
            return
        for index, element in enumerate(cast(list[Table], value)):
            self._line((*path, key, index), f"[[{self._spaced(names)}]]")
            self.table(element, (*path, key, index), names)

    def _assign(self, key: tuple[str, ...], value: object, path: KeyPath) -> None:
        self._line((*path, *key), f"{self._spaced(key)} = {self._written(value)}")

    def _line(self, path: KeyPath, line: str) -> None:
        self.text += self._draw(["", "\n", "  ", "# [x] = '''\n"])
        for length in range(1, len(path) + 1):
            self.places.setdefault(path[:length], self.text.count("\n") + 1)
        self.text += line + self._draw(["\n", " # y = [\n", "\r\n"])

    def _spaced(self, names: tuple[str, ...]) -> str:
        return self._draw([".", " . "]).join(dotted((name,)) for name in names)

    def _written(self, value: object) -> str:
        if isinstance(value, list):
            comma = self._draw([", ", ",\n", ", # ]\n"])
            written = (self._written(one) + comma for one in cast(list[object], value))
            return f"[{''.join(written)}]"
        if isinstance(value, str):
            return self._quoted(value)
        return json.dumps(value)

    def _quoted(self, value: str) -> str:
        escaped = value.replace("\\", "\\\\")
        ways = [json.dumps(value), '"""' + escaped.replace('"""', '""\\"') + '"""']
        ways += ['"""' + escaped.replace('"', '\\"') + '"""', f'"""\n{json.dumps(value)[1:-1]}"""']
        if "'" not in value:
            ways.append(f"'''{value}'''")
            ways += [] if "\n" in value else [f"'{value}'"]
        return self._draw([way for way in ways if tomllib_reads(way, value)])

    def _is_plain(self, value: object) -> bool:
        is_tables = isinstance(value, list) and any(
            isinstance(one, dict) for one in cast(list[object], value)
        )
        return not isinstance(value, dict) and not is_tables

    def _may_be_dotted(self, value: object) -> bool:
        table = cast(Table, value) if isinstance(value, dict) else {}
        is_flat = bool(table) and all(self._is_plain(inner) for inner in table.values())
        return is_flat and self.data.draw(st.booleans())

    def _draw(self, ways: list[str]) -> str:
        return self.data.draw(st.sampled_from(ways))


def tomllib_reads(way: str, value: str) -> bool:
    """Say whether a way to quote a text is one: quotes at its end may run into the delimiter."""
    try:
        return tomllib.loads(f"x = {way}") == {"x": value}
    except tomllib.TOMLDecodeError:
        return False


@settings(max_examples=count(ci=100, full=3000), deadline=None)
@given(TABLES, st.data())
def test_every_key_is_found_on_the_line_it_was_written_on(table: Table, data: st.DataObject):
    writer = Writer(data)
    writer.table(table, (), ())
    assert tomllib.loads(writer.text) == table
    assert key_lines(writer.text) == writer.places


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("\n\na = 1", ("a",), 3),
        ("a.b.c = 1\na.b.d = 2", ("a", "b", "d"), 2),
        ("[a.b]\nc = 1\n[a]\nd = 1", ("a", "d"), 4),
        ("[a]\n\n[b]\nx = 1", ("b",), 3),
        ('a = """\nb = 1\n"""\nb = 2', ("b",), 4),
        ("a = '''\n[b]\n''''' # '\nb = 2", ("b",), 4),
        ('a = """x""""\nb = 2', ("b",), 2),
        ("a = '''x''''\nb = 2", ("b",), 2),
        ("a = [ # ]\n[1],\n]\nb = 2", ("b",), 4),
        ("[[a]]\nx = 1\n[[a]]\ny.z = 1\n[a.b]\nc = 2", ("a", 1, "b", "c"), 6),
        ("[[a]]\n[[a.b]]\n[[a]]\n[[a.b]]\n[[a.b]]\nc = 1", ("a", 1, "b", 1, "c"), 6),
        ("\"a b\".'c d' = 1\r\nb = 2\r\n", ("b",), 2),
    ],
)
def test_a_key_is_found_among_what_only_looks_like_it(text: str, path: KeyPath, line: int):
    assert tomllib.loads(text)
    assert line_of(path, key_lines(text)) == line


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("x = 1\na = {b = {c = 1}}", ("a", "b", "c"), 2),
        ("x = 1\na = [\n  {b = 1},\n]", ("a", 0, "b"), 2),
        ("x = 1\n[a]\n", ("a", "missing"), 2),
    ],
)
def test_what_has_no_line_of_its_own_is_on_the_line_of_the_key_around_it(
    text: str, path: KeyPath, line: int
):
    assert line_of(path, key_lines(text)) == line


def test_what_is_not_there_at_all_has_no_line():
    assert line_of(("b",), key_lines("a = 1")) is None
    assert line_of((), key_lines("a = 1")) is None
    assert key_lines("") == {}


def test_a_large_text_is_read_in_one_pass():
    text = "".join(f"[t{number}]\nkey = '''\n\n'''\n" for number in range(2000))
    assert line_of(("t1999", "key"), key_lines(text)) == 1999 * 4 + 2
