from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from attractor.twins.answer import Answer, Fault, FaultKind, ToolUse


def test_why_the_model_stopped_follows_from_the_answer_unless_it_is_said() -> None:
    call = ToolUse(name="shell")
    assert Answer(text="a").finished_by == "stop"
    assert Answer(tool_calls=(call,)).finished_by == "tool_calls"
    assert Answer(tool_calls=(call,), finish="length").finished_by == "length"


def test_durations_are_written_with_a_unit() -> None:
    assert Answer.model_validate({"delay": "250ms"}).delay == timedelta(milliseconds=250)
    fault = Fault.model_validate({"kind": "status", "retry_after": "2s"})
    assert (fault.kind, fault.retry_after) == (FaultKind.STATUS, timedelta(seconds=2))


NO_ANSWERS: list[dict[str, Any]] = [
    {"delay": "2"},
    {"delay": 2},
    {"txt": "a"},
    {"text": 1},
    {"finish": "done"},
    {"usage": {"input": -1}},
    {"fault": {"kind": "fire"}},
    {"fault": {"kind": "status", "status": 200}},
    {"tool_calls": [{"arguments": {}}]},
]


@pytest.mark.parametrize("table", NO_ANSWERS, ids=str)
def test_what_is_no_answer_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Answer.model_validate(table)
