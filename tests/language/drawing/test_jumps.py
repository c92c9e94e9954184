from attractor.language.drawing.jumps import jumps
from attractor.language.parsing import parse

TEXT = """digraph G {
    retry_target=a; fallback_retry_target=b
    a; b [retry_target=nowhere]; c [retry_target=a, fallback_retry_target="b"]
    gate [goal_gate=true]; own [goal_gate=true, retry_target=c]; plain
}"""


def test_jumps_lead_to_retry_targets_and_from_gates_to_the_graphs() -> None:
    found = [(one.element, one.caption) for one in jumps(parse(TEXT))]
    assert found == [
        ("retry-c-a", "retry"),
        ("fallback-c-b", "fallback retry"),
        ("retry-gate-a", "retry"),
        ("fallback-gate-b", "fallback retry"),
        ("retry-own-c", "retry"),
    ]
