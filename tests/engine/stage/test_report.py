import pytest

from attractor.engine.errors import InvalidReport
from attractor.engine.outcome import FailureClass, Outcome, StageStatus
from attractor.engine.stage.report import forbidden_keys, parse_report


def test_a_whole_report_is_read() -> None:
    text = """{"outcome": "fail", "preferred_label": "Fix", "suggested_next_ids": ["a"],
        "context_updates": {"k": [1]}, "notes": "n", "failure_reason": "r",
        "failure_class": "verdict"}"""
    assert parse_report(text) == Outcome(
        StageStatus.FAIL,
        preferred_label="Fix",
        suggested_next_ids=("a",),
        context_updates={"k": [1]},
        notes="n",
        failure_reason="r",
        failure_class=FailureClass.VERDICT,
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "invalid JSON"),
        ("[]", "not a JSON object"),
        ("{}", "no 'outcome'"),
        ('{"outcome": "skipped"}', "cannot be 'skipped'"),
        ('{"outcome": "sucess"}', "cannot be 'sucess'"),
        ('{"outcome": 1}', "not a text"),
        ('{"outcome": "fail", "note": "x"}', "unknown field 'note'"),
        ('{"outcome": "fail", "failure_class": "pipeline"}', "cannot be 'pipeline'"),
        ('{"outcome": "success", "context_updates": []}', None),
        ('{"outcome": "success", "context_updates": [1]}', "not an object"),
        ('{"outcome": "success", "suggested_next_ids": "a"}', "not a list"),
        ('{"outcome": "success", "suggested_next_ids": [1]}', "items that are not texts"),
    ],
)
def test_invalid_report_is_described(text: str, words: str | None) -> None:
    if words is None:
        assert parse_report(text).context_updates == {}
        return
    with pytest.raises(InvalidReport, match=words) as caught:
        parse_report(text)
    assert caught.value.hint


def test_a_mistyped_word_gets_a_suggestion() -> None:
    with pytest.raises(InvalidReport) as caught:
        parse_report('{"outcome": "sucess"}')
    assert caught.value.hint == "did you mean success?"


def test_the_keys_of_the_engine_are_found_behind_any_prefix() -> None:
    keys = ["outcome", "context.outcome", "human.gate.label", "context.human.gate.label"]
    more = ["context.context.graph.goal", "work.item", "stack.x", "growth.y", "internal.z"]
    fine = ["tests_passed", "context.tests_passed", "humanity", "my.outcome", "stack"]
    updates = dict.fromkeys([*keys, *fine, *more, "parallel.results", "current_node"], 1)
    assert forbidden_keys(updates) == [*keys, *more, "parallel.results", "current_node"]
