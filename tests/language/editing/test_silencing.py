"""The comment that silences a rule stands where it is one."""

import pytest

from attractor.language import prepare
from attractor.language.diagnostics import warning
from attractor.language.editing.silencing import silence
from attractor.language.fixing import apply_edits
from attractor.language.sources import Source

HEAD = "digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; start -> a -> exit\n"


@pytest.mark.parametrize(
    "body",
    [
        "a [foo=1, prompt=x]\n}",
        '  a [foo="line one\n  line two", prompt=x]\n}',
        'a [prompt="one\n two", foo=1]\n}',
        "a [prompt=x, foo=1] /* c */\n}",
        "a [prompt=x, foo=1]}",
    ],
)
def test_the_rule_is_silent_and_the_rest_is_as_it_was(body: str) -> None:
    text = HEAD + body
    before = prepare(text)
    [told] = before.diagnostics
    edit = silence(Source(text), told)
    assert edit is not None
    after = prepare(apply_edits(Source(text), [warning("x", edits=(edit,))])[0])
    assert after.diagnostics == ()
    assert after.graph == before.graph


def test_there_is_no_place_within_a_text_that_goes_over_both_ends() -> None:
    text = HEAD + 'a [prompt="one\n two", foo=1, label="three\n four"]\n}'
    [told] = prepare(text).diagnostics
    assert silence(Source(text), told) is None
