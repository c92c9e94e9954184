"""Output for a terminal as HTML: colours, other escape sequences, and marks."""

import re
from html import unescape

from hypothesis import given, strategies as st

from attractor.base.escapes import without_escapes
from attractor.language.source.text import visible
from attractor.server.html.ansi import PLAIN, render, runs
from tests.tables import table

ESCAPES = st.sampled_from(
    ["\x1b[31m", "\x1b[0m", "\x1b[38;5;208;1m", "\x1b[48:2::1:2:3m", "\x1b[2K", "\x1b]0;title\x07"]
    + ["\x1b]8;;https://a.example/\x1b\\", "\x1b(B", "\x1bM", "\x1b[?25l", "\x1b[999;;m"]
)
TEXTS = st.lists(st.text("ab<&>\"'\x00é\t\r", max_size=5) | st.just("\u202e"), max_size=5)


@given(st.lists(st.tuples(TEXTS.map("".join), ESCAPES), max_size=8), st.text("ab<&", min_size=1))
def test_html_of_a_text_has_all_of_it_but_its_escape_sequences(
    parts: list[tuple[str, str]], sought: str
) -> None:
    text = "".join(f"{text}{escape}" for text, escape in parts)
    plain = "".join(text for text, _ in parts)
    assert without_escapes(text) == plain
    html = render(runs(text), re.compile(re.escape(sought)))
    bare = re.sub(r'<span class="[a-z -]+">|<mark>|</span>|</mark>', "", html)
    assert unescape(bare) == visible(plain)
    assert not re.search("[<>\x1b]", bare)
    assert len(re.findall("<mark>", html)) >= visible(plain).count(sought)


@given(st.text("\x1b[]m;:0123458\\\x07Pa("))
def test_any_sequence_is_read(text: str) -> None:
    assert "".join(run.text for run in runs(text)) == without_escapes(text)


@table(
    ("rendition", "classes"),
    [
        ("31", "ansi-red"),
        ("1;91", "ansi-red ansi-bold"),
        ("90", "ansi-grey"),
        ("37", ""),
        ("2", "ansi-grey"),
        ("33;22;2;39", "ansi-grey"),
        ("31;44", "ansi-on-blue"),
        ("7;32", "ansi-on-green"),
        ("107", "ansi-on-grey"),
        ("4:3;9;3", "ansi-italic ansi-strike ansi-underline"),
        ("4;4:0", ""),
        ("38;5;12", "ansi-blue"),
        ("38;5;208", "ansi-yellow"),
        ("38;5;240", "ansi-grey"),
        ("38;2;250;10;240;1", "ansi-magenta ansi-bold"),
        ("38:2::0:200:210", "ansi-cyan"),
        ("48;5;1", "ansi-on-red"),
        ("38;5", ""),
        ("31;38;9;1", "ansi-bold"),
        ("31;;1", "ansi-bold"),
    ],
)
def test_rendition_has_classes(rendition: str, classes: str) -> None:
    assert PLAIN.after(rendition).classes == classes


def test_marks_go_over_several_styles() -> None:
    html = render(runs("a\x1b[31mb<\x1b[0mc"), re.compile("AB<C", re.IGNORECASE))
    assert html == ('<mark>a</mark><span class="ansi-red"><mark>b&lt;</mark></span><mark>c</mark>')
