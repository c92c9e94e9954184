import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.toml_keys import dotted, printable, read_key

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
