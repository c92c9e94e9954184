"""Rules about attributes that a type needs."""

from attractor.language.diagnostics import Severity
from tests.language.rules.judging import found, inside, pointed_parts
from tests.tables import table


@table(
    ("says", "message", "fix"),
    [
        ("type=wait, duration=15m", "", ""),
        ('type=wait, until="09:30"', "", ""),
        ("type=wait", "has no duration or until", 'add duration="15m" or until="09:30"'),
        ('type=wait, duration=" "', "has no duration or until", 'add duration="15m"'),
        (
            'type=wait, duration=1s, until="09:30"',
            "has both duration and until",
            "remove one of them",
        ),
        ("type=for_each, items=plan.files", "", ""),
        ("type=for_each", "has no items", 'add items="..." (the context key of a list)'),
        ('type=pipeline, file="x.dot"', "", ""),
        ("type=pipeline", "has no file", 'add file="other.dot"'),
        ("type=codergen", "", ""),
    ],
)
def test_required_attributes_of_a_type_are_reported(says: str, message: str, fix: str) -> None:
    diagnostics = found(inside(f"a [{says}]; start -> a -> exit"), "type_needs")
    assert len(diagnostics) == bool(message)
    for one in diagnostics:
        assert one.node == "a"
        assert one.message.startswith("'a' (type ")
        assert one.message.endswith(message)
        assert one.fix.startswith(fix)


def test_types_need_prompts_and_have_outcomes() -> None:
    text = "a [type=prompt, label=x]; b [type=prompt, prompt=y]; start -> a -> b -> exit"
    assert pointed_parts(text, "prompt_on_llm_nodes") == ["a"]
    text = 'a [type=wait, duration=1s]; start -> a; a -> exit [condition="outcome={}"]; a -> exit'
    assert pointed_parts(text.format("fail"), "outcome_possible") == []
    assert pointed_parts(text.format("partial_success"), "outcome_possible") == [
        '"outcome=partial_success"'
    ]


@table(
    ("node", "rule"),
    [("shape=parallelogram, prompt=x", "tool_has_command"), ("shape=hexagn", "shape_known")],
)
def test_contradictory_stage_is_an_error(node: str, rule: str) -> None:
    (one,) = found(inside(f"a [{node}]; start -> a -> exit"), rule)
    assert one.severity is Severity.ERROR
