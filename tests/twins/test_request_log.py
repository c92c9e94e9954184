import json

import pytest

from attractor.twins.bounded_log import BoundedLog
from attractor.twins.exchange import Arrival
from attractor.twins.reply import Reply
from attractor.twins.request_log import RequestLog
from attractor.twins.wire import wire_registry

HEADERS = {"authorization": "Bearer secret", "X-Api-Key": "secret", "x-more": "yes"}


def logged(*bodies: bytes) -> RequestLog:
    log = RequestLog()
    for body in bodies:
        arrival = Arrival(wire_registry()["openai"], HEADERS, body, 2)
        log.add(arrival, Reply(200, rule="r"))
    return log


def test_requests_are_remembered_in_order_with_their_rule_and_status() -> None:
    one, two = logged(b'{"a": 1}', b"\xff{").kept.entries
    assert (one.number, one.body, one.rule, one.status) == (1, {"a": 1}, "r", 200)
    assert (two.number, two.body, two.attempt, two.wire) == (2, "\ufffd{", 2, "openai")


def test_what_got_no_answer_has_no_status() -> None:
    log = RequestLog()
    log.add(Arrival(wire_registry()["openai"], {}, b"{}"), Reply(200, begins=False))
    assert log.kept.entries[0].status == 0


def test_the_path_is_told_without_what_may_be_a_key() -> None:
    log = RequestLog()
    log.add(Arrival(wire_registry()["gemini"], {}, b"", target="/v1/a?key=secret"), Reply(200))
    assert log.kept.entries[0].path == "/v1/a"
    assert "secret" not in json.dumps(log.kept.entries[0].record())


def test_keys_are_hidden() -> None:
    (entry,) = logged(b"{}").kept.entries
    assert "secret" not in json.dumps(entry.record())
    assert entry.headers["x-more"] == "yes"


def test_the_same_request_is_counted_by_wire_and_by_every_byte() -> None:
    log = RequestLog()
    asked = [("a", b"1"), ("a", b"1"), ("a", b"2"), ("b", b"1"), ("a", b"1")]
    assert [log.count_attempt(*one) for one in asked] == [1, 2, 1, 1, 3]


def test_what_was_read_does_not_grow_afterwards() -> None:
    log = logged(b"{}")
    before = log.kept.entries
    log.add(Arrival(wire_registry()["openai"], {}, b"{}"), Reply(200))
    assert (len(before), len(log.kept.entries)) == (1, 2)


def test_only_the_latest_are_kept_and_the_others_counted() -> None:
    log = RequestLog(BoundedLog(keep=2))
    for number in range(5):
        log.add(Arrival(wire_registry()["openai"], {}, b"%d" % number), Reply(200))
    assert [(one.number, one.body) for one in log.kept.entries] == [(4, 3), (5, 4)]
    assert log.kept.dropped == 3
    log.forget()
    assert (log.kept.entries, log.kept.dropped) == ([], 0)


def test_what_their_bodies_take_is_bounded_too_but_the_newest_one_is_kept_whole() -> None:
    log = RequestLog(BoundedLog(most_bytes=100))
    for size in (40, 40, 40, 500):
        log.add(Arrival(wire_registry()["openai"], {}, b"x" * size), Reply(200))
    assert [len(one.content) for one in log.kept.entries] == [500]
    assert log.kept.dropped == 3


def test_how_often_the_same_came_is_forgotten_only_after_very_many_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("attractor.twins.request_log._MOST_SEEN", 3)
    log = RequestLog()
    asked = [b"1", b"2", b"1", b"3", b"1", b"4", b"1", b"2"]
    assert [log.count_attempt("w", one) for one in asked] == [1, 1, 2, 1, 3, 1, 4, 1]
