"""Ruling L5: an orphan is an error, and the targets of failures count."""

from attractor.language import Severity, parse, validate
from tests.tables import table

BASE = "start; work [prompt=x]; repair [prompt=x]; exit; start -> work -> exit; repair -> exit"


def orphans(text: str) -> list[str]:
    return [one.node for one in validate(parse(text)) if one.rule == "reachability"]


def test_L5_orphans_are_reported_as_unreachable() -> None:
    (one,) = (one for one in validate(parse(f"digraph G {{ {BASE} }}")))
    assert (one.rule, one.severity, one.node) == ("reachability", Severity.ERROR, "repair")
    assert "orphan" in one.message
    assert "unreachable" in one.message


@table("key", ["retry_target", "fallback_retry_target"])
def test_L5_a_failure_target_is_reachable(key: str) -> None:
    of_node = BASE.replace("work [prompt=x]", f"work [prompt=x, {key}=repair]")
    assert orphans(f"digraph G {{ {of_node} }}") == []
    assert orphans(f"digraph G {{ {key}=repair; {BASE} }}") == []


def test_L5_the_failure_target_of_an_orphan_is_an_orphan() -> None:
    text = "digraph G { start; exit; a [retry_target=b]; b; start -> exit; a -> exit; b -> exit }"
    assert orphans(text) == ["a", "b"]


def test_L5_a_prompt_is_missed_with_a_label_too() -> None:
    graph = parse('digraph G { start; a [label="Do it"]; exit; start -> a -> exit }')
    assert [one.rule for one in validate(graph)] == ["prompt_on_llm_nodes"]
