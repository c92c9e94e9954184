"""Rules about goal gates and human gates."""

from attractor.language.linting.lint_rule import Vocabulary
from tests.language.rules.judging import found, inside, pointed_parts
from tests.tables import table


def test_goal_gates_are_pointed_at_unless_the_graph_has_a_target() -> None:
    text = inside("a [goal_gate=true]; start -> a -> exit")
    assert found(text, "goal_gate_has_retry")
    assert not found(text.replace("{", "{ retry_target=a;", 1), "goal_gate_has_retry")
    assert (
        pointed_parts(GATES + "start -> a -> b -> exit; a -> exit", "goal_gate_bypassed")[0]
        == "true"
    )


GATES = (
    "a [prompt=a]; b [prompt=b, goal_gate=true]; c [prompt=c, goal_gate=true]; d [prompt=d];"
    "fork [shape=component]; join [shape=tripleoctagon];"
)


@table(
    ("edges", "gates"),
    [
        ("start -> a -> b -> c -> exit", []),
        ("start -> a -> b -> c -> exit; a -> c", ["b"]),
        ("start -> a -> b -> c -> exit; a -> exit", ["b", "c"]),
        ("start -> a -> b -> exit; a -> c -> exit", []),  # one of two, either way
        ("start -> a -> b -> exit; a -> c -> exit; a -> d -> exit", ["b", "c"]),
        ("start -> a -> b -> d; d -> a; b -> c -> exit", []),
        ("start -> fork; fork -> b -> join; fork -> d -> join; join -> c -> exit", []),
    ],
)
def test_avoidable_goal_gate_is_reported(edges: str, gates: list[str]) -> None:
    broken = found(inside(GATES + edges), "goal_gate_bypassed")
    assert [one.node for one in broken] == gates


ASK = "ask [shape=hexagon]; a [prompt=a]; b [prompt=b]; start -> ask;"


@table(
    ("first", "second", "where"),
    [
        ("Approve", "Again", ["Again"]),
        ("[Y] Yes", "y) Later", ['"y) Later"']),
        ("[Y] Yes", "Later", []),
        ("Approve", "[N] Again", []),
        ("Same", "Same", []),
    ],
)
def test_two_choices_with_one_key_are_reported(first: str, second: str, where: list[str]) -> None:
    text = f'{ASK} ask -> a [label="{first}"]; ask -> b [label="{second}"]'
    assert [one.strip('"') for one in pointed_parts(text, "accelerator_keys")] == [
        one.strip('"') for one in where
    ]


def test_choices_of_a_gate() -> None:
    text = f"{ASK} ask -> a [label=Approve]; ask -> b [label=Again]"
    assert pointed_parts(text, "accelerator_keys", vocabulary=Vocabulary()) == []
    gate = 'ask [shape=hexagon, "human.default_choice"=shp]; start -> ask -> ship -> exit; ship'
    (one,) = found(inside(gate), "default_choice_exists")
    assert (one.fix, one.node) == ("did you mean ship?", "ask")


@table(
    ("choice", "where"),
    [
        ("nowhere", ["nowhere"]),
        ("shp", ["shp"]),
        ("start", ["start"]),
        ("ship", []),
        ("exit", []),
        ("Yes", []),
        ("yes", []),
        ("Y", []),
        ('""', []),
    ],
)
def test_a_default_choice_is_one_of_the_gate(choice: str, where: list[str]) -> None:
    gate = f'ask [shape=hexagon, "human.default_choice"={choice}]; ship; start -> ask'
    ways = 'ask -> ship [label="[Y] Yes"]; ask -> exit [label=No]; ship -> exit'
    assert pointed_parts(f"{gate}; {ways}", "default_choice_exists") == where


WHERE: dict[str, dict[str, list[str]]] = {
    "verdict_required": {
        "a [goal_gate=true]": [],
        "a [goal_gate=false, auto_status=true]": [],
        "a [goal_gate=true, require_verdict=false]": ["goal_gate"],
        "a [goal_gate=true]; require_verdict=false": ["goal_gate"],
        "a [goal_gate=true, require_verdict=true]; require_verdict=false": [],
        "a [goal_gate=true, require_verdict=true, auto_status=true]": ["goal_gate"],
        "a [goal_gate=true, type=prompt]": ["goal_gate"],
        "a [require_verdict=true]": [],
        "a [require_verdict=true, auto_status=true]": ["require_verdict"],
        "a [require_verdict=true, type=prompt]": ["require_verdict"],
        "a [require_verdict=false, type=prompt]": [],
        "a [goal_gate=true, shape=parallelogram, tool_command=make]": [],
    },
    "human_gate_labels": {
        "ask -> a; ask -> b [label=No]": ["ask -> a"],
        "ask -> a [label=Yes]; ask -> b [label=No]": [],
        'ask -> a [label=" "]; ask -> b [label=No]': ["ask -> a"],
        "ask -> a": [],  # nothing to choose
        'ask -> a; ask -> b [condition="outcome=fail"]': [],  # nothing to choose here either
    },
}
"""For each rule, texts and the parts of them that it points at."""
BEFORE = {"human_gate_labels": ASK}


@table("rule", WHERE)
def test_rule_points_at_each_fault(rule: str) -> None:
    for text, where in WHERE[rule].items():
        assert pointed_parts(BEFORE.get(rule, "") + text, rule) == where, text
