"""Comments silence rules on their line, and only there."""

from collections.abc import Set

import pytest

from attractor.language import prepare
from attractor.language.diagnostics import Diagnostic
from attractor.language.graph.graph import Graph
from attractor.language.linting.ignore_comments import without_ignored
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.linting.validate import Level
from attractor.language.source.text import Source

UNKNOWN = "unknown_attribute"


def found(text: str, **levels: Level) -> list[tuple[str, int]]:
    return [(one.rule, one.span.line) for one in prepare(text, levels=levels).diagnostics]


def pipeline(*lines: str) -> str:
    head = ["digraph G {", "start [shape=Mdiamond]; exit [shape=Msquare]; start -> a -> exit"]
    return "\n".join([*head, *lines, "}"])


def test_a_comment_silences_a_rule_on_its_line() -> None:
    line = "a [prompt=x, foo=1]"
    assert found(pipeline(line)) == [(UNKNOWN, 3)]
    assert found(pipeline(f"{line} // attractor: ignore[{UNKNOWN}]")) == []
    assert found(pipeline(f"{line} /* attractor:ignore[ syntax , {UNKNOWN} ] */"))[0][0] == (
        "unused_ignore"
    )


def test_comment_on_its_own_line_applies_to_the_next_line() -> None:
    comment = f"  // attractor: ignore[{UNKNOWN}] because of Graphviz"
    assert found(pipeline(comment, "", "// another", "a [prompt=x, foo=1]")) == []
    assert found(pipeline(comment, "a [prompt=x]", "b [prompt=x, foo=1]; a -> b -> exit")) == [
        ("unused_ignore", 3),
        (UNKNOWN, 5),
    ]


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("// attractor: ignore", "names no rule"),
        ("// attractor: ignore[unknown_attribute]", "unused comment"),
        ("// attractor: ignore[unknown_atribute]", "unknown rule 'unknown_atribute'"),
        ("// attractor: ignore[start_node]", "cannot be ignored"),
    ],
)
def test_a_comment_that_silences_nothing_is_reported(comment: str, message: str) -> None:
    [told] = prepare(pipeline("a [prompt=x]", comment)).diagnostics
    assert (told.rule, told.severity) == ("unused_ignore", "warning")
    assert message in told.message


def test_required_rules_cannot_be_ignored() -> None:
    text = "digraph G { // attractor: ignore[start_node]\nexit [shape=Msquare] }"
    assert ("start_node", 1) in found(text)


def test_comment_in_a_string_is_not_a_comment() -> None:
    text = pipeline(f'a [prompt="// attractor: ignore[{UNKNOWN}]", foo=1]')
    assert found(text) == [(UNKNOWN, 3)]


@pytest.mark.parametrize(
    ("rule", "fix"),
    [
        ("unknown_atribute", "did you mean unknown_attribute?"),
        ("zzzzzz", "attractor rules lists the rules"),
        ("portability", "remove it"),
    ],
)
def test_a_comment_says_which_rule_may_be_meant(rule: str, fix: str) -> None:
    [told] = prepare(pipeline("a [prompt=x]", f"// attractor: ignore[{rule}]")).diagnostics
    assert told.fix == fix


@pytest.mark.parametrize(
    "comment",
    [
        f"// Attractor: ignore[{UNKNOWN}]",
        f"// ATTRACTOR: Ignore[{UNKNOWN}]",
        f"// attractor : ignore [{UNKNOWN}]",
    ],
)
def test_a_comment_may_begin_with_a_capital(comment: str) -> None:
    assert found(pipeline(f"a [prompt=x, foo=1] {comment}")) == []


def test_many_comments_that_name_no_rule_cost_little_each() -> None:
    """The names of the rules are looked up once: a folder is listed for them."""
    asked: list[None] = []

    def rules() -> Set[str]:
        asked.append(None)
        return {"one"}

    text = "\n".join(f"// attractor: ignore[no_{i}]\n a{i}" for i in range(50))
    told = without_ignored([], Source(text), vital=set(), rules=rules)
    assert (len(told), len(asked)) == (50, 1)


class Silent:
    """A rule that finds nothing."""

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> tuple[Diagnostic, ...]:
        return ()


def test_a_further_rule_is_one_too() -> None:
    text = pipeline("a [prompt=x]", "// attractor: ignore[house_style]")
    [told] = prepare(text, extra_rules={"house_style": Silent()}).diagnostics
    assert "reports nothing here" in told.message
