from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from attractor.twins.exchange.answer import Answer, Fault, FaultKind, ToolUse, search_text


def test_finish_reason_defaults_from_the_answer() -> None:
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
    {"fault": {"kind": "cut", "after": -1}},
    {"fault": {"kind": "slow", "size": 0}},
    {"fault": {"kind": "slow", "pause": 1}},
    {"pace": 1},
    {"tool_calls": [{"arguments": {}}]},
]


@pytest.mark.parametrize("table", NO_ANSWERS, ids=str)
def test_invalid_answers_are_rejected(table: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Answer.model_validate(table)


def test_fault_position_has_a_default_per_kind() -> None:
    for kind, before in (("cut", 1), ("malformed", 1), ("hang", 0), ("status", 0), ("slow", 0)):
        assert Fault.model_validate({"kind": kind}).events_before == before


def test_unused_fault_keys_are_rejected() -> None:
    for fault, words in (
        (
            {"kind": "hang", "status": 429},
            "invalid key 'status' of the fault 'hang'; valid keys: after",
        ),
        (
            {"kind": "slow", "after": 1},
            "invalid key 'after' of the fault 'slow'; valid keys: pause, size",
        ),
        (
            {"kind": "refused", "after": 1},
            "invalid key 'after' of the fault 'refused'; valid keys: none",
        ),
    ):
        with pytest.raises(ValidationError, match=words):
            Fault.model_validate(fault)


def test_a_header_that_would_break_the_message_is_refused() -> None:
    for header in (
        {"x": "a\r\nb: c"},
        {"x\n": "a"},
        {"": "a"},
        {"x": "é"},
        {"Content-Length": "3"},
        {"transfer-encoding": "chunked"},
    ):
        with pytest.raises(ValidationError, match="header"):
            Answer(text="Hi.", headers=header)
        assert Answer(text="Hi.", headers={"X-RateLimit-Remaining": "0"}).headers


def test_a_sealed_pattern_that_re2_lacks_is_searched_for_two_seconds_at_most() -> None:
    assert search_text(r"(a)b\1", "xaba")
    assert not search_text(r"(a)b\1", "xabb")
    assert search_text(r"(\ud800)\1", "\ud800\ud800")
    assert not search_text(r"^(?:(a+)+)\1b$", "a" * 60)
