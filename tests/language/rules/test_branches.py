"""Rules about parallel branches."""

from tests.language.rules.judging import found, inside, pointed_parts
from tests.tables import table

FORK = (
    "fork [shape=component]; join [shape=tripleoctagon]; a [prompt=a]; b [prompt=b]; c [prompt=c];"
    "d [prompt=d]; before [prompt=e];"
)
BOTH = FORK + "start -> before -> fork; fork -> a -> join; fork -> b -> join; join -> exit;"


def test_branch_messages_name_the_node() -> None:
    text = FORK + "start -> fork; fork -> a -> c; fork -> b -> c; c -> exit"
    (one,) = found(inside(text), "fan_in_missing")
    assert one.message == "missing fan-in: the branches of 'fork' meet at 'c'"
    each = "each [type=for_each, items=things]; a [prompt=a]; join [shape=tripleoctagon];"
    way = "start -> each -> a -> join -> exit; a -> a [loop_restart=true]"
    (one,) = found(inside(each + way), "restart_misplaced")
    assert one.message == "loop_restart on a -> a: a branch cannot restart the run"
    assert one.is_error
    assert one.fix.startswith("move it to an edge after")


THREE = BOTH + "fork -> c -> join;"


def test_nested_branches_are_their_own() -> None:
    text = FORK + (
        "inner [shape=component]; meet [shape=tripleoctagon]; start -> fork;"
        "fork -> a -> join; fork -> inner; inner -> b -> meet; inner -> c -> meet;"
        "meet -> join -> exit"
    )
    rules = {"fan_in_missing", "branch_leaves", "branch_shared"}
    assert [one.message for one in found(inside(text)) if one.rule in rules] == []
    (one,) = found(inside(text + "; b -> join"), "branch_leaves")
    assert (one.edge, one.fix) == (
        ("b", "join"),
        "change its target to meet, where the branches meet",
    )


EACH = "each [type=for_each, items=plan]; join [shape=tripleoctagon]; a [prompt=a]; b [prompt=b];"


@table(
    ("edges", "rule", "where"),
    [
        ("start -> each -> a -> join -> exit", "", []),
        ("start -> each -> a -> exit", "fan_in_missing", ["each"]),
        ("start -> each -> a -> join -> exit; a -> each", "branch_leaves", ["a -> each"]),
        (
            "start -> each; each -> a -> join -> exit; each -> b [condition=x]; b -> join",
            "branch_condition",
            ["each -> b"],
        ),
        ("start -> each -> a -> join -> exit; each -> b -> join; a -> b", "branch_shared", []),
    ],
)
def test_for_each_is_checked_like_branches(edges: str, rule: str, where: list[str]) -> None:
    rules = (rule,) if rule else ("fan_in_missing", "branch_leaves", "branch_condition")
    assert [one for name in rules for one in pointed_parts(EACH + edges, name)] == where


@table("rule", ["fallback_edge", "outcome_possible", "failure_falls_through"])
def test_the_edges_of_a_fork_are_no_choice(rule: str) -> None:
    edges = 'start -> each; each -> a [condition="outcome=retry"]; each -> b; b -> join -> exit'
    for fork in (EACH, EACH.replace("type=for_each", "shape=component")):
        assert pointed_parts(fork + edges + "; a -> join", rule) == []


TOOLS = (
    "x [shape=parallelogram, tool_command=ls]; y [shape=parallelogram, tool_command=ls];"
    "which [shape=diamond]; start -> fork; fork -> a -> join -> exit; fork -> x -> join;"
)
GATED = TOOLS.replace("=ls]; y", "=ls, goal_gate=true]; y")
NO_WINNER = FORK.replace("tripleoctagon", "tripleoctagon, merge=none")


def test_unchecked_branch_names_the_branch_and_the_policy() -> None:
    (one,) = found(inside(FORK + TOOLS), "unchecked_branch")
    assert one.message == (
        "'fork' succeeds even if its branch 'x' fails: join_policy=wait_all never fails"
    )
    assert (one.fix, one.is_error) == ("set join_policy=all on fork", False)


WHERE: dict[str, dict[str, list[str]]] = {
    "unchecked_branch": {
        FORK + TOOLS: ["fork"],
        FORK + TOOLS + "x -> y -> which -> join;": ["fork"],
        FORK + TOOLS + "fork -> y -> join;": ["fork"],
        FORK.replace("component", "component, join_policy=wait_all") + TOOLS: ["fork"],
        FORK.replace("component", "component, join_policy=all") + TOOLS: [],
        FORK.replace("component", "component, join_policy=quorum") + TOOLS: [],
        BOTH: [],
        FORK + TOOLS + "x -> b -> join;": [],
        FORK + "start -> fork; fork -> a -> join -> exit; fork -> join;": [],
        FORK + GATED: ["fork"],
        NO_WINNER + GATED: [],
        NO_WINNER + GATED + "x -> y -> join;": ["fork"],
        EACH.replace("[prompt=a]", "[shape=parallelogram, tool_command=ls]")
        + "start -> each -> a -> join -> exit;": ["each"],
    },
    "fan_in_missing": {
        BOTH: [],
        FORK + "start -> fork; fork -> a -> exit; fork -> b -> exit": ["fork"],
        FORK + "start -> fork; fork -> a -> c; fork -> b -> c; c -> join -> exit": ["fork"],
        FORK + "start -> fork; fork -> a -> join; fork -> b; b -> b; join -> exit": ["fork"],
        FORK + "start -> fork -> a -> join -> exit": [],
    },
    "branch_leaves": {
        "": [],
        "a -> exit": ["a -> exit"],
        "a -> before": ["a -> before"],
        "a -> fork": ["a -> fork"],
        "a -> c -> a": [],
        "a -> c -> exit": ["c -> exit"],
        "join -> d -> exit; a -> d": ["a -> d"],
        "join -> before": [],
        "join -> a": [],
        "a -> c; b -> c; c -> exit": ["c -> exit"],
    },
    "restart_misplaced": {
        "join -> before [loop_restart=true]": [],
        "join -> exit [loop_restart=true]": ["join -> exit"],
        "join -> exit [loop_restart=false]": [],
        "a -> c; c -> a [loop_restart=true]": ["c -> a"],
        "a -> join [loop_restart=true]": ["a -> join"],
        "fork -> c [loop_restart=true]; c -> join": ["fork -> c"],
        # Another rule already reports that these leave their branch.
        "a -> before [loop_restart=true]": [],
        "a -> exit [loop_restart=true]": [],
        "start -> d [loop_restart=true]; d -> fork": [],
    },
    "branch_shared": {
        "": [],
        "a -> d -> join; b -> d": ["d"],
        "a -> d -> join; b -> d; c -> d": [],
        "a -> d -> join": [],
        "a -> b": ["b"],
    },
    "branch_condition": {
        "": [],
        'fork -> c -> join; fork -> d [condition="outcome=fail"]': ["fork -> d"],
        "fork -> d [label=no]; d -> join": [],
        'fork -> d [condition=""]': [],
        'a -> d [condition="outcome=fail"]; d -> join': [],
        'each [type=for_each]; each -> d [condition="outcome=fail"]': ["each -> d"],
    },
}
"""For each rule, texts and the parts of them that it points at."""
BEFORE = {
    "branch_leaves": BOTH,
    "restart_misplaced": BOTH,
    "branch_shared": THREE,
    "branch_condition": BOTH,
}


@table("rule", WHERE)
def test_rule_points_at_each_fault(rule: str) -> None:
    for text, where in WHERE[rule].items():
        assert pointed_parts(BEFORE.get(rule, "") + text, rule) == where, text
