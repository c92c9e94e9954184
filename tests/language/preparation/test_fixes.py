"""Edits are applied all together or not at all, until no fix is left."""

from collections.abc import Iterator
from typing import cast

from hypothesis import given, strategies as st

from attractor.language.diagnostics import Diagnostic, Edit, error, summary, warning
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import LintRule
from attractor.language.preparation.fixes import Origins, apply_edits, fix, fix_safely
from attractor.language.preparation.prepare import KnownFiles, Prepared, prepare
from attractor.language.source.text import Source
from tests.tables import table


def mending(text: str, *changes: tuple[int, int, str]) -> Diagnostic:
    source = Source(text)
    edits = tuple(Edit(source.span(start, end), new) for start, end, new in changes)
    return warning("wrong", edits[0].span, edits=edits)


def test_edits_are_applied_completely_or_not_at_all() -> None:
    text = "one\ntwo\nthree"
    first, second = mending(text, (0, 3, "1"), (8, 13, "3")), mending(text, (4, 7, ""))
    applied = apply_edits(Source(text), [first, second])
    assert (applied.text, applied.diagnostics) == ("1\n\n3", [first, second])
    text = "abcdef"
    first, second = mending(text, (0, 2, "x")), mending(text, (1, 3, "y"), (5, 6, "z"))
    applied = apply_edits(Source(text), [first, second])
    assert (applied.text, applied.diagnostics) == ("xcdef", [first])
    elsewhere = Edit(Source("x", "other").span(0, 1), "y")
    found = warning("wrong", Source("a", "f").span(0, 1), edits=(elsewhere,))
    assert fix("a", check=lambda text: [found], file="f").text == "a"


def test_fixes_are_repeated_but_not_endlessly() -> None:
    def check(text: str) -> Iterator[Diagnostic]:
        if text.endswith("a"):
            yield mending(text, (len(text) - 1, len(text), ""))

    assert fix("baaa", check=check).text == "b"
    assert len(fix("baaa", check=check).applied) == 3


def test_endless_fixes_stop() -> None:
    def check(text: str) -> Iterator[Diagnostic]:
        yield mending(text, (0, 0, "x"))

    assert fix("", check=check).text == "x" * 20


@given(st.text(max_size=30), st.data())
def test_a_place_is_found_again(text: str, data: st.DataObject) -> None:
    source = Source(text)
    start = data.draw(st.integers(0, len(text)))
    span = source.span(start, data.draw(st.integers(start, len(text))))
    assert source.offset(span.line, span.column) == start


def judged(text: str, *diagnostics: Diagnostic, broken: bool = False) -> Prepared:
    return Prepared(None if broken else Graph("", {}), diagnostics)


def test_applied_fixes_and_remaining_problems_are_returned() -> None:
    def check(text: str) -> Prepared:
        fixable = [mending(text, (0, 1, "b"))] if text == "a" else []
        return judged(text, *fixable, error("left"))

    mended = fix_safely("a", check=check)
    assert (mended.text, len(mended.applied), mended.harm) == ("b", 1, ())
    assert mended.left.diagnostics == (error("left"),)


def test_fix_that_causes_an_error_is_not_applied() -> None:
    def check(text: str) -> Prepared:
        found = [error("old"), mending(text, (0, 1, "b"))]
        return judged(text, *(found if text == "a" else [error("old"), error("new")]))

    mended = fix_safely("a", check=check)
    assert (mended.text, mended.applied, mended.harm) == ("a", (), (error("new"),))
    assert mended.left.diagnostics[0] == error("old")


def test_second_error_with_the_same_message_is_new() -> None:
    def check(text: str) -> Prepared:
        found = [error("same"), mending(text, (0, 1, "b"))]
        return judged(text, *(found if text == "a" else [error("same"), error("same", fix="x")]))

    assert fix_safely("a", check=check).harm == (error("same", fix="x"),)


def test_errors_hidden_by_a_syntax_error_are_no_harm() -> None:
    def check(text: str) -> Prepared:
        if text == "a":
            return judged(text, mending(text, (0, 1, "b")), error("syntax"), broken=True)
        return judged(text, error("seen now"), error("and this"))

    assert fix_safely("a", check=check).text == "b"


def test_a_fix_that_breaks_the_grammar_is_not_applied() -> None:
    def check(text: str) -> Prepared:
        if text == "a":
            return judged(text, mending(text, (0, 1, "b")), error("one"), error("two"))
        return judged(text, error("syntax"), broken=True)

    assert fix_safely("a", check=check).text == "a"


def test_fixed_problems_have_original_positions() -> None:
    def check(text: str) -> Iterator[Diagnostic]:
        if "one" in text:
            yield mending(text, (0, 3, "1\n1"))
        elif "two" in text:
            at = text.index("two")
            yield mending(text, (at, at + 3, ""))
        elif "three" in text:
            at = text.index("three")
            yield mending(text, (at, at + 5, "3"))

    text = "one two\nthree four"
    fixed = fix(text, check=check)
    assert fixed.text == "1\n1 \n3 four"
    spans = [one.span for one in fixed.applied]
    assert [
        text.split("\n")[one.line - 1][one.column - 1 : one.end_column - 1] for one in spans
    ] == [*("one", "two", "three")]


@given(st.text(alphabet="ab\n", min_size=1, max_size=20), st.data())
def test_unchanged_text_keeps_its_original_position(text: str, data: st.DataObject) -> None:
    """All characters differ, so each is found again after any changes."""
    letters = "".join("\n" if one == "\n" else chr(0x4E00 + at) for at, one in enumerate(text))
    source = Source(letters)
    origins, now = Origins(source), source
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(now.text)))
        end = data.draw(st.integers(start, min(len(now.text), start + 3)))
        instead = data.draw(st.sampled_from(["", "x", "x\nx"]))
        applied = apply_edits(now, [mending(now.text, (start, end, instead))])
        origins.note(applied.changes)
        now = Source(applied.text)
    for at, letter in enumerate(now.text):
        if letter not in "x\n":
            was = letters.index(letter)
            assert origins.span(now, now.span(at, at + 1)) == source.span(was, was + 1)


PROMPTS = """digraph G {
    start [shape=Mdiamond]; exit [shape=Msquare]
    e [promt="x", prommpt="z"]
    start -> e -> exit
}"""


def test_two_typos_of_one_attribute_are_not_fixed() -> None:
    mended = fix_safely(PROMPTS, check=prepare)
    assert (mended.text, mended.applied, mended.harm) == (PROMPTS, (), ())
    diagnostics = [one.fix for one in mended.left.diagnostics if one.rule == "unknown_attribute"]
    assert (
        diagnostics
        == ["did you mean prompt? 1 more attributes may mean the same: keep only one of them"] * 2
    )


@table(
    ("before", "after"),
    [
        ('e [promt="x"]; e [prommpt="z"]', 'e [promt="x"]; e [prommpt="z"]'),
        ('e [prompt="x", prommpt="z"]', 'e [prompt="x", prommpt="z"]'),
        ('e [promt="x"]; f [prommpt="z"]', 'e [prompt="x"]; f [prompt="z"]'),
        ('e [promt="x", timeot="5s"]', 'e [prompt="x", timeout="5s"]'),
        ('node [promt="x"]; f; e [prommpt="z"]', 'node [prompt="x"]; f; e [prommpt="z"]'),
    ],
)
def test_typo_is_fixed_if_nothing_is_lost(before: str, after: str) -> None:
    assert fix_safely(f"digraph G {{ {before} }}", check=prepare).text == f"digraph G {{ {after} }}"


class Renaming:
    """A rule that gives one name to every node whose id starts with `a`."""

    def apply(self, graph: Graph) -> Iterator[Diagnostic]:
        for key, attribute in graph.nodes["e"].attributes.by_key.items():
            if key.startswith("a"):
                yield warning(f"{key} is x", attribute.span, edits=(Edit(attribute.span, "x"),))


def test_fixes_that_lose_an_attribute_are_not_both_applied() -> None:
    def check(text: str) -> Prepared:
        return prepare(text, extra_rules={"renaming": cast(LintRule, Renaming())})

    mended = fix_safely("digraph G { e [a1=1, a2=2] }", check=check)
    assert mended.text == "digraph G { e [x=1, a2=2] }"
    assert [one.message for one in mended.applied] == ["a1 is x"]
    assert [one.rule for one in mended.harm] == ["duplicate_attribute"]


def test_empty_list_is_removed_with_its_blanks() -> None:
    text = "digraph G {\n    a []\n    b\t [ ] // why\n    c[]; a []b\n}"
    mended = fix_safely(text, check=prepare).text
    assert mended == "digraph G {\n    a\n    b // why\n    c; a b\n}"


def test_imported_files_are_not_fixed() -> None:
    part = (
        b"digraph P { start [shape=Mdiamond]; exit [shape=Msquare]; a [promt=x]; start->a->exit }"
    )
    text = """digraph G {
        start [shape=Mdiamond]; exit [shape=Msquare]
        sub [type=import, file="part.dot"]; b [promt=y]
        start -> sub -> b -> exit
    }"""
    found = prepare(text, file="main.dot", files=KnownFiles({"part.dot": part})).diagnostics
    unknown = {one.span.file: one for one in found if one.rule == "unknown_attribute"}
    here, there = unknown.pop("main.dot"), unknown.popitem()[1]
    assert (bool(here.edits), bool(there.edits)) == (True, False)
    assert there.fix == "did you mean prompt?"
    assert summary([here, there], files=1) == "2 warnings in 1 file (1 fixable with --fix)"
