import tomllib

import pytest
from hypothesis import given, strategies as st

from attractor.base.toml import dotted, key_lines, line_of, printable, read_key

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
        # Inside a value, and missing keys: the line of the key around them.
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
