"""Rules about conditions: syntax, dead conditions and portability."""

from collections.abc import Callable

from hypothesis import given, strategies as st

from attractor.language.conditions.analysis import find_dead_parts
from attractor.language.conditions.condition import OUTCOME_KEYS, OUTCOMES, Condition
from attractor.language.conditions.format import write_condition
from attractor.language.conditions.parse import parse_condition
from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.builder import GraphBuilder
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import (
    Vocabulary,
    edge_conditions,
    edits_within,
    rule_registry,
)
from attractor.language.preparation.fixes import fix
from attractor.language.preparation.prepare import prepare
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import quoted
from tests.growing import times_more
from tests.language.condition_trees import KEYS, conditions, naively, values
from tests.tables import table

RULES = ("condition_syntax", "dead_condition", "portable_condition")


def check(graph: Graph) -> list[tuple[str, Diagnostic]]:
    rules = rule_registry()
    return [(name, one) for name in RULES for one in rules[name].apply(graph, Vocabulary())]


def with_condition(condition: str) -> str:
    return f"digraph G {{ a -> b [condition={quoted(condition)}] }}"


def found(condition: str, rule: str) -> list[Diagnostic]:
    graph = parse(with_condition(condition))
    return [one for name, one in check(graph) if name == rule]


def fixed(condition: str) -> str:
    def check_text(text: str) -> list[Diagnostic]:
        return [one for _, one in check(parse(text))]

    (edge,) = parse(fix(with_condition(condition), check=check_text).text).edges
    return edge.attributes.text("condition")


def test_mistakes_in_conditions_are_reported_and_fixed() -> None:
    text = with_condition("outcome=success && context.x == 3")
    ((rule, one),) = check(parse(text))
    assert (rule, one.severity, one.edge) == ("condition_syntax", Severity.ERROR, ("a", "b"))
    assert text[one.span.column - 1 : one.span.end_column - 1] == "=="
    assert fixed("outcome == success") == "outcome = success"
    both = "outcome='success' && context.x=\u201cy-1\u201d"
    assert fixed(both) == "outcome=success && context.x=y-1"
    assert fixed("outcome='not yet'") == "outcome='not yet'"
    condition = 'context.a="b" && outcome==fail'
    (one,) = found(condition, "condition_syntax")
    text = with_condition(condition)
    assert text[one.span.column - 1 : one.span.end_column - 1] == "=="
    assert fixed(condition) == 'context.a="b" && outcome=fail'
    (guard,) = edge_conditions(parse(with_condition('context.a="b"')), lambda condition, text: True)
    (edit,) = edits_within(guard, 10, 13, '"c d"')
    assert edit.text == r"\"c d\""


def test_conflict_with_an_alternative_is_detected() -> None:
    dead = "context.a=b && outcome=fail && (outcome=success || context.a=c)"
    assert found(dead, "dead_condition")
    alive = "context.a=b && outcome=fail && (outcome=success || context.a=b)"
    assert not found(alive, "dead_condition")


@table("clause", ["context.a{0}=b", "(context.b{0}=c || context.b{0}=d) && context.a{0}=b"])
def test_ten_times_as_many_clauses_are_ten_times_the_work(clause: str) -> None:
    def work(many: int) -> Callable[[], object]:
        condition = " && ".join(clause.format(one) for one in range(many))
        text = f"""digraph G {{ start [shape=Mdiamond]; exit [shape=Msquare]; w [prompt=x]
            start -> w -> exit; w -> exit [condition="{condition}"] }}"""
        return lambda: prepare(text)

    # Compared clause by clause with each other, a hundred times.
    assert times_more(work, few=100) < 20


def test_condition_of_a_chain_is_reported_once() -> None:
    graph = parse('digraph G { a -> b -> c [condition="outcome=Fail || x="] }')
    assert len(check(graph)) == 1
    built = GraphBuilder("G").edge("a", "b", condition="x=").edge("b", "c", condition="x=").build()
    assert [one.edge for _, one in check(built)] == [("a", "b"), ("b", "c")]


@table(
    ("condition", "message", "hint", "mended"),
    [
        ("outcome=Success", "unknown outcome 'Success'", "success?", "outcome=success"),
        ("outcome!=FAIL", "unknown outcome 'FAIL'", "fail?", "outcome!=fail"),
        ("outcome=Failed || x", "unknown outcome 'Failed'", "", None),
        ("outcome=sucess", "unknown outcome 'sucess'", "success?", "outcome=sucess"),
        ("outcome=done", "unknown outcome 'done'", "success, partial_success", None),
        ("outcome=true", "unknown outcome 'true'", "use one of", None),
        ('context.outcome="Fail it"', "unknown outcome 'Fail it'", "", None),
    ],
)
def test_an_outcome_that_no_stage_ends_with(
    condition: str, message: str, hint: str, mended: str | None
) -> None:
    (one,) = found(condition, "dead_condition")
    assert (one.message, one.severity) == (message, Severity.WARNING)
    assert hint in one.fix
    if mended is not None:
        assert fixed(condition) == mended


def test_an_outcome_by_itself_is_no_outcome() -> None:
    (one,) = found("outcome=retry || success", "dead_condition")
    assert one.message == "'success' without outcome= is a context key"
    assert one.fix == "write outcome=success"
    assert one.edits == ()


@table(
    "condition",
    [
        "outcome=success && outcome=fail",
        "outcome=success && outcome!=succeeded",
        "outcome=success && !(outcome!=fail)",
        "outcome=success && (outcome=fail || outcome=retry)",
        "outcome!=success && outcome!=partial_success && outcome!=fail"
        " && outcome!=retry && outcome!=skipped",
        "!(outcome=fail || outcome!=fail)",
        "context.a=1 && context.a=2",
        "context.a=1 && context.a!=1",
        "context.a=1 && context.a > 1",
        'context.a=abc && context.a contains "x"',
        'context.a=abc && context.a matches "^b"',
        "context.a=false && context.a",
        "context.a=1 && context.a=2 || context.b=1 && context.b=2",
        "outcome < 3",
        "outcome contains x",
        "!outcome",
    ],
)
def test_contradictory_conditions_are_dead(condition: str) -> None:
    (one,) = found(condition, "dead_condition")
    assert one.message.startswith("never true: the clauses with ")


@table(
    "condition",
    [
        "outcome=success || outcome=fail",
        "outcome=failure && outcome=failed",
        "outcome=fail && context.a=1 && context.b=2",
        "context.a=1 || context.a=2",
        "context.a!=1 && context.a!=2",
        "context.a > 1 && context.a < 3",
        "outcome=success && (outcome=fail || context.a=1)",
        "preferred_label=Success",
        "context.a=1 && a=2",
    ],
)
def test_satisfiable_conditions_are_not_reported(condition: str) -> None:
    assert found(condition, "dead_condition") == []


@given(conditions, st.lists(values, max_size=20))
def test_dead_conditions_never_hold(condition: Condition, tried: list[dict[str, str]]) -> None:
    dead = find_dead_parts(condition, write_condition(condition))
    if any(one.message.startswith("never true") for one in dead):
        for held in tried:
            for outcome in OUTCOMES:
                # A stage ends with one of the five outcomes; no other value is possible.
                held.update(dict.fromkeys(OUTCOME_KEYS, outcome))
                assert not naively(condition, held)


@given(conditions)
def test_every_span_is_within_the_text(condition: Condition) -> None:
    text = write_condition(condition)
    for _, one in check(parse(with_condition(text))):
        assert one.span.line >= 1
        assert one.fix


def test_unportable_condition_has_a_portable_fix() -> None:
    (one,) = found("!(outcome=fail || outcome=retry)", "portable_condition")
    assert one.severity is Severity.INFO
    assert one.fix == "write outcome!=fail && outcome!=retry"
    assert fixed("!(outcome=fail || outcome=retry)") == "outcome!=fail && outcome!=retry"


@table("condition", ["tests=true", "outcome=fail || context.a=1", "context.n>3"])
def test_condition_without_a_portable_text_is_unchanged(condition: str) -> None:
    (one,) = found(condition, "portable_condition")
    assert one.edits == ()
    assert fixed(condition) == condition


@given(conditions, values)
def test_fixed_condition_is_equivalent(condition: Condition, held: dict[str, str]) -> None:
    mended = fixed(write_condition(condition))
    known = {key: held.get(key, "") for key in KEYS}
    if not find_dead_parts(condition, write_condition(condition)):
        assert naively(parse_condition(mended), known) is naively(condition, known)


def test_the_condition_that_ends_a_managers_loop_is_read_too() -> None:
    text = 'digraph G { m [shape=house, "manager.stop_condition"="outcome==fail"] }'
    ((rule, one),) = check(parse(text))
    assert (rule, one.message, one.node) == ("condition_syntax", "unknown operator ==", "m")
    assert text[one.span.column - 1 : one.span.end_column - 1] == "=="
    good = "digraph G { m [shape=house, manager.stop_condition=done] }"
    assert check(parse(good)) == []


def test_time_for_many_conditions_is_linear() -> None:
    edges = "\n".join(f'a -> b{i} [condition="outcome=Fail || x={i}"]' for i in range(2_000))
    assert len(check(parse(f"digraph G {{ {edges} }}"))) == 4_000
