"""Rules about conditions and the edges out of a stage."""

from collections.abc import Callable

from attractor.language.diagnostics import Diagnostic
from attractor.language.linting.lint_rule import Vocabulary, rule_registry
from attractor.language.reading import parse
from tests.growing import times_more
from tests.language.rules.judging import found, inside, pointed_parts
from tests.tables import table

WORK = "a [prompt=x]; b [prompt=y]; c [shape=diamond]; t [shape=parallelogram, tool_command=make];"


def guarded(*ways: str) -> str:
    """Return edges out of `a` or another node: `b: outcome=success`."""
    edges: list[str] = []
    for way in ways:
        ends, _, condition = way.partition(":")
        source, _, target = ends.partition(">")
        received = f' [condition="{condition.strip()}"]' if condition else ""
        edges.append(f"{source.strip()} -> {target.strip()}{received}")
    return WORK + ";".join(edges)


@table(
    ("ways", "where"),
    [
        (["a > b: outcome=success"], ["a"]),
        (["a > b: outcome=success", "a > exit: outcome=fail"], ["a"]),
        (["a > b: outcome=success", "a > exit: outcome!=success"], []),
        (["a > b: outcome!=fail", "a > exit: outcome=fail"], []),
        (["t > b: outcome=success", "t > exit: outcome=fail"], []),
        (["a > c", "c > b: outcome=success", "c > exit: outcome=fail"], ["c"]),
        (["t > c", "c > b: outcome=success", "c > exit: outcome=fail"], []),
        (["a > b: outcome=success && context.x=1", "a > exit: outcome=fail"], ["a"]),
        (["a > b: context.x=1", "a > exit: context.x!=1"], []),
        (["a > b: context.x=1", "a > exit: context.x=2"], ["a"]),
        (["a > b: context.x=1", "a > exit"], []),
        (["a > b: outcome=fail"], ["a"]),
        (["a > b: preferred_label=yes", "a > exit: preferred_label=no"], ["a"]),
        (["c > b: outcome=success"], ["c"]),
        (["c > b: outcome=success", "c > exit: outcome!=success"], []),
        (["c > b: outcome=success", "c > exit: outcome=fail"], []),
        (["a > b: context.x=1 || context.y=2", "a > exit: context.x=2"], ["a"]),
        (["a > b: context.x>1", "a > exit: context.x<=1"], []),  # more than the rule can prove
        (["start > b: outcome=success"], []),
    ],
)
def test_stage_without_an_edge_for_an_outcome_is_reported(
    ways: list[str], where: list[str]
) -> None:
    assert pointed_parts(guarded(*ways), "fallback_edge") == where


def test_missing_edge_is_described() -> None:
    (one,) = found(inside(guarded("a>b: outcome=success && context.x=1")), "fallback_edge")
    assert one.message == (
        "'a' has no edge to take if outcome is success and context.x is something else"
    )
    text = guarded("t > b: outcome=success", "t > exit: outcome=fail")
    allowed = text.replace("t [", "t [allow_partial=true, ")
    assert pointed_parts(text, "fallback_edge") == []
    assert pointed_parts(allowed, "fallback_edge") == ["t"]
    assert pointed_parts(allowed.replace("fail", "success"), "fallback_edge") == ["t"]
    condition = " && ".join(f"context.k{i}=1" for i in range(30))
    assert pointed_parts(guarded(f"a > b: {condition}"), "fallback_edge") == []


FALLS = ["t > exit: outcome=success", "t > b"]


@table(
    ("ways", "where"),
    [
        (FALLS, ["t -> b"]),
        ([*FALLS, "t > a: outcome=fail"], []),
        (["t > exit: outcome=success", "t > c"], []),  # a conditional is made for conditions
        (["t > exit: outcome=success && context.x=1", "t > b"], []),
        (["t > exit: context.x=1", "t > b"], []),
        (["t > b"], []),
        (["start > exit: outcome=success", "start > b"], []),
    ],
)
def test_a_failure_that_falls_through_is_reported(ways: list[str], where: list[str]) -> None:
    assert pointed_parts(guarded(*ways), "failure_falls_through") == where


@table(
    "otherwise",
    [
        "t [retry_target=a]",
        "t [fallback_retry_target=a]",
        "t [on_failure=continue]",
        "on_failure=continue",
        "t [goal_gate=true]; retry_target=a",
    ],
)
def test_failure_with_another_path_does_not_fall_through(otherwise: str) -> None:
    text = f"{guarded(*FALLS)}; {otherwise}"
    assert pointed_parts(text, "failure_falls_through") == []


def test_a_target_of_the_graph_is_for_goal_gates_alone() -> None:
    text = f"{guarded(*FALLS)}; retry_target=a"
    assert pointed_parts(text, "failure_falls_through") == ["t -> b"]


ASKED = 'c -> exit; c -> b [condition="outcome=fail"]'


@table(
    ("text", "where"),
    [
        ("a -> c -> b", ["a -> c"]),
        ("a -> c -> d -> b; d [shape=diamond]", ["a -> c"]),
        (f"a -> c; {ASKED}", []),
        (f"a -> d -> c; d [shape=diamond]; {ASKED}", []),
        ("a -> c; c -> exit [label=Yes]; c -> b [label=No]", []),
        ('a -> c -> b; a -> exit [condition="outcome=fail"]', []),
        ('a -> c -> b; a -> exit [condition="outcome=success"]', []),
        ('a -> c -> b; a -> exit [condition="context.x=1"]', []),
        ('a -> c [condition="outcome=success"]; c -> b', []),
        ("a -> c -> b; a [on_failure=continue]", []),
        ("a -> c -> b; a [retry_target=b]", ["a -> c"]),
        (f"a -> c; a -> d [weight=1]; d -> b; d [shape=diamond]; {ASKED}", ["a -> d"]),
        (f"a -> c; a -> d; d -> b; d [shape=diamond]; {ASKED}", []),
        ("h [shape=hexagon]; h -> c [label=Yes]; h -> exit [label=No]; c -> b", ["h -> c"]),
        ("start -> c -> b", []),
        ("a -> c -> d -> c; d [shape=diamond]", ["a -> c"]),
    ],
)
def test_failure_without_a_condition_is_reported(text: str, where: list[str]) -> None:
    text = f"a [prompt=x]; b [prompt=y]; c [shape=diamond]; {text}"
    assert pointed_parts(text, "failure_falls_through") == where


def test_fix_of_a_passed_over_failure_is_valid() -> None:
    message = "a failure of 'a' also takes this edge, because no condition checks the outcome"
    (one,) = found(inside("c [shape=diamond]; a -> c -> b"), "failure_falls_through")
    assert (one.message, one.fix.split(",")[0]) == (message, 'add condition="outcome!=fail"')
    mended = inside(
        'c [shape=diamond]; start -> a -> c [condition="outcome!=fail"]; c -> b -> exit'
    )
    assert not {one.rule for one in found(mended)} & {"failure_falls_through", "fallback_edge"}
    (one,) = found(
        inside("c [shape=diamond]; a [shape=hexagon]; a -> c -> b"), "failure_falls_through"
    )
    assert one.fix == 'add an edge with condition="outcome=fail"'


def test_ten_times_as_many_conditionals_in_a_row_are_ten_times_the_work() -> None:
    rule = rule_registry()["failure_falls_through"]

    def work(many: int) -> Callable[[], list[Diagnostic]]:
        row = " -> ".join(f"c{one}" for one in range(many))
        stages = " ".join(f"a{one} -> c{one};" for one in range(many))
        graph = parse(
            f"digraph G {{ b; node [shape=diamond]; {row} -> b; node [shape=box]; {stages} }}"
        )
        return lambda: list(rule.apply(graph, Vocabulary()))

    assert len(work(1_000)()) == 1_000
    assert times_more(work, few=50) < 15


@table(
    ("ways", "where"),
    [
        (["a > b: outcome=retry"], ['"outcome=retry"']),
        (["a > b: outcome=skipped"], ['"outcome=skipped"']),
        (["a > b: outcome=partial_success"], []),
        (["start > b: outcome=fail"], ['"outcome=fail"']),
        (["start > b: outcome!=fail"], []),
        (["t > b: outcome=partial_success"], ['"outcome=partial_success"']),
        (["t > b: outcome=failed"], []),
        (["c > b: outcome=partial_success"], []),
        (["t > b: outcome=skipped && context.x=1"], ['"outcome=skipped && context.x=1"']),
        (["t > b: outcome=skipped || context.x=1"], []),
        (["a > b: outcome=sucess"], []),  # an unknown outcome: another rule
    ],
)
def test_an_outcome_the_source_cannot_have_is_reported(ways: list[str], where: list[str]) -> None:
    assert pointed_parts(guarded(*ways), "outcome_possible") == where


def test_outcomes_of_unknown_handlers_and_branches() -> None:
    text = 'm [type=mine]; m -> exit [condition="outcome=skipped"]'
    assert pointed_parts(text, "outcome_possible") == []
    text = 'p [shape=component]; p -> exit [condition="outcome=retry"]'
    assert pointed_parts(text, "outcome_possible") == []


@table(
    ("shape", "outcome", "is_fine"),
    [
        ("hexagon", "partial_success", False),
        ("hexagon, allow_partial=true", "partial_success", True),
        ("hexagon", "fail", True),
    ],
)
def test_human_gate_may_be_a_partial_success(shape: str, outcome: str, is_fine: bool) -> None:
    text = f'h [shape={shape}]; h -> exit [condition="outcome={outcome}"]'
    assert (pointed_parts(text, "outcome_possible") == []) is is_fine
