"""Comments suppress rules on their own line only.

Rules of callers, by name or as the specification defines them.

A project changes the severity of rules.

Every reported rule has a page.
"""

from collections.abc import Iterator, Set
from typing import Any

import pytest

from attractor.base.errors import UnknownName, UsageError
from attractor.language import parse, prepare, validate
from attractor.language.diagnostics import Diagnostic, warning
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import ExtraRules, Vocabulary
from attractor.language.linting.pages import page_names, page_of, read_page
from attractor.language.linting.validate import Level, rule_names, without_ignored
from attractor.language.source.text import Source
from tests.tables import table

UNKNOWN = "unknown_attribute"


def found(text: str, **levels: Level) -> list[tuple[str, int]]:
    return [(one.rule, one.span.line) for one in prepare(text, levels=levels).diagnostics]


def pipeline(*lines: str) -> str:
    head = ["digraph G {", "start [shape=Mdiamond]; exit [shape=Msquare]; start -> a -> exit"]
    return "\n".join([*head, *lines, "}"])


def test_comments_silence_rules_on_their_line() -> None:
    line = "a [prompt=x, foo=1]"
    assert found(pipeline(line)) == [(UNKNOWN, 3)]
    assert found(pipeline(f"{line} // attractor: ignore[{UNKNOWN}]")) == []
    assert found(pipeline(f"{line} /* attractor:ignore[ syntax , {UNKNOWN} ] */"))[0][0] == (
        "unused_ignore"
    )
    comment = f"  // attractor: ignore[{UNKNOWN}] because of Graphviz"
    assert found(pipeline(comment, "", "// another", "a [prompt=x, foo=1]")) == []
    assert found(pipeline(comment, "a [prompt=x]", "b [prompt=x, foo=1]; a -> b -> exit")) == [
        ("unused_ignore", 3),
        (UNKNOWN, 5),
    ]
    text = "digraph G { // attractor: ignore[start_node]\nexit [shape=Msquare] }"
    assert ("start_node", 1) in found(text)
    text = pipeline(f'a [prompt="// attractor: ignore[{UNKNOWN}]", foo=1]')
    assert found(text) == [(UNKNOWN, 3)]


@table(
    ("comment", "message"),
    [
        ("// attractor: ignore", "names no rule"),
        ("// attractor: ignore[unknown_attribute]", "unused ignore comment"),
        ("// attractor: ignore[unknown_atribute]", "unknown rule 'unknown_atribute'"),
        ("// attractor: ignore[start_node]", "cannot be ignored"),
    ],
)
def test_comment_that_ignores_no_diagnostic_is_reported(comment: str, message: str) -> None:
    [diagnostic] = prepare(pipeline("a [prompt=x]", comment)).diagnostics
    assert (diagnostic.rule, diagnostic.severity) == ("unused_ignore", "warning")
    assert message in diagnostic.message


@table(
    ("rule", "fix"),
    [
        ("unknown_atribute", "did you mean unknown_attribute?"),
        ("zzzzzz", "list the rules: attractor rules"),
        ("portability", "remove it"),
    ],
)
def test_unknown_rule_in_a_comment_gets_a_suggestion(rule: str, fix: str) -> None:
    [diagnostic] = prepare(pipeline("a [prompt=x]", f"// attractor: ignore[{rule}]")).diagnostics
    assert diagnostic.fix == fix


@table(
    "comment",
    [
        f"// Attractor: ignore[{UNKNOWN}]",
        f"// ATTRACTOR: Ignore[{UNKNOWN}]",
        f"// attractor : ignore [{UNKNOWN}]",
    ],
)
def test_a_comment_may_begin_with_a_capital(comment: str) -> None:
    assert found(pipeline(f"a [prompt=x, foo=1] {comment}")) == []


def test_many_comments_with_unknown_rules_are_fast() -> None:
    """The names of the rules are looked up once, because that lists a folder."""
    asked: list[None] = []

    def rules() -> Set[str]:
        asked.append(None)
        return {"one"}

    text = "\n".join(f"// attractor: ignore[no_{i}]\n a{i}" for i in range(50))
    diagnostics = without_ignored([], Source(text), vital=set(), rules=rules)
    assert (len(diagnostics), len(asked)) == (50, 1)


class Silent:
    """A rule that finds nothing."""

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> tuple[Diagnostic, ...]:
        return ()


def test_ignore_comments_apply_to_extra_rules() -> None:
    text = pipeline("a [prompt=x]", "// attractor: ignore[house_style]")
    [diagnostic] = prepare(text, extra_rules={"house_style": Silent()}).diagnostics
    assert "reports no problem here" in diagnostic.message
    text = (
        "digraph G {\n// attractor: ignore[too_small]\n"
        "start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }"
    )
    found = prepare(text, extra_rules=(one for one in [TooSmall()])).diagnostics
    assert [one.message for one in found if one.rule == "unused_ignore"] == [
        "unused ignore comment: 'too_small' reports no problem here"
    ]


GRAPH = parse("digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }")


class NoGoal:
    """A rule as the specification defines it: a name, and a function of a graph."""

    name = "no_goal"

    def apply(self, graph: Graph) -> Iterator[Diagnostic]:
        if not graph.goal:
            yield warning("there is no goal", node="start")


class TooSmall:
    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        yield warning(f"{len(graph.nodes)} nodes, {vocabulary.types}")


@table("rules", [[NoGoal(), TooSmall()], {"no_goal": NoGoal(), "too_small": TooSmall()}])
def test_extra_rules_report_under_their_names(rules: ExtraRules) -> None:
    vocabulary = Vocabulary(types={"start", "exit"})
    found = [one.rule for one in validate(GRAPH, extra_rules=rules, vocabulary=vocabulary)]
    assert sorted(found) == ["no_goal", "too_small"]


def test_prepare_applies_extra_rules() -> None:
    text = "digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }"
    [diagnostic] = prepare(text, extra_rules=[NoGoal()]).diagnostics
    assert (diagnostic.rule, diagnostic.node_id) == ("no_goal", "start")


class Reachability:
    """A rule with the name of a built-in one and other findings."""

    def __init__(self, *found: str) -> None:
        self._found = found

    def apply(self, graph: Graph) -> list[Diagnostic]:
        return [warning(one) for one in self._found]


LOST = parse(
    "digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; a [prompt=a]; start -> exit }"
)


def reported(graph: Graph, rules: Any) -> list[tuple[str, str]]:
    return [(one.rule, one.message) for one in validate(graph, extra_rules=rules)]


def test_extra_rules_of_the_same_name_all_report() -> None:
    built_in = reported(LOST, [])
    assert [rule for rule, _ in built_in] == ["reachability"]
    assert reported(LOST, [Reachability()]) == built_in
    assert sorted(reported(LOST, [Reachability("mine")])) == sorted(
        [*built_in, ("reachability", "mine")]
    )
    assert sorted(reported(LOST, {"reachability": Reachability("mine")})) == sorted(
        [*built_in, ("reachability", "mine")]
    )
    rules = [Reachability("one"), Reachability("two")]
    assert reported(GRAPH, rules) == [("reachability", "one"), ("reachability", "two")]
    assert reported(GRAPH, [HTTPCheck2Go()]) == [("http_check2_go", "found")]


class HTTPCheck2Go:
    def apply(self, graph: Graph, *rest: object) -> list[Diagnostic]:
        return [warning("found")]


class WithNothing:
    def apply(self, graph: Graph) -> None:
        return None


class WithWords:
    def apply(self, graph: Graph) -> list[str]:
        return ["wrong"]


@table(
    ("rule", "message"),
    [
        (object(), "the rule 'object' has no method apply"),
        (NoGoal, "the rule 'no_goal' is a class"),
        (WithNothing(), "the rule 'with_nothing' returned NoneType, not diagnostics"),
        (WithWords(), "the rule 'with_words' found str, not diagnostics"),
    ],
)
def test_invalid_rule_is_reported(rule: Any, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        validate(GRAPH, extra_rules=[rule])
    assert raised.value.message == message
    assert raised.value.hint


TEXT = "digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit [foo=1] }"


@table("level", [Level.INFO, Level.WARNING, Level.ERROR])
def test_project_sets_the_severity_of_a_rule(level: Level) -> None:
    prepared = prepare(TEXT, levels={"unknown_attribute": level})
    assert [(one.rule, one.severity) for one in prepared.diagnostics] == [
        ("unknown_attribute", level)
    ]
    assert prepared.is_sound is (level is not Level.ERROR)


def test_required_rules_stay_errors() -> None:
    assert prepare(TEXT, levels={"start_node": Level.ERROR}).is_sound
    with pytest.raises(UsageError, match="start_node"):
        prepare(TEXT, levels={"start_node": Level.WARNING})


TOLD_WHILE_READING = ["goal_missing", "portability", "syntax", "unused_ignore"]


def test_rules_have_pages() -> None:
    assert rule_names() <= set(page_names())
    assert page_of("no_goal") == ""
    with pytest.raises(UnknownName, match="no_goal"):
        read_page("no_goal")


@table("rule", page_names())
def test_each_page_is_complete(rule: str) -> None:
    page = read_page(rule)
    assert page.sentence.endswith(".")
    assert page.what
    assert page.why
    assert page.example
    assert page.instead


@table("rule", TOLD_WHILE_READING)
def test_examples_of_reader_diagnostics_are_correct(rule: str) -> None:
    page = read_page(rule)
    diagnostics = {one.rule: one.severity for one in prepare(page.example).diagnostics}
    assert diagnostics[rule] is page.severity
    assert prepare(page.instead).diagnostics == ()
