from datetime import timedelta
from typing import Any

import pytest

from attractor.twins.exchange.answer import (
    Fault,
    Reply,
    ReplyEnd,
    apply_fault,
    events_before,
    streamed,
    whole,
)

BODY = whole(200, b"12345678", {})
STREAM = streamed([b"one", b"two", b"three"], {})
both = pytest.mark.parametrize("reply", [BODY, STREAM], ids=["body", "stream"])


def fault(kind: str, **more: Any) -> Fault:
    return Fault.model_validate({"kind": kind, **more})


@both
def test_refused_connections_get_nothing(reply: Reply) -> None:
    found = apply_fault(reply, fault("refused"))
    assert (found.begins, found.ending, found.body) == (False, ReplyEnd.DROPPED, b"")


@both
def test_a_provider_that_hangs_does_not_even_begin(reply: Reply) -> None:
    found = apply_fault(reply, fault("hang"))
    assert (found.begins, found.ending, found.body) == (False, ReplyEnd.SILENT, b"")


@pytest.mark.parametrize(
    ("reply", "after", "sent"),
    [(STREAM, 2, b"onetwo"), (STREAM, 3, b"onetwo"), (BODY, 1, b"1234"), (BODY, 9, b"1234")],
)
@pytest.mark.parametrize(("kind", "ending"), [("hang", ReplyEnd.SILENT), ("cut", ReplyEnd.DROPPED)])
def test_fault_in_the_middle_keeps_sent_bytes(
    reply: Reply, after: int, sent: bytes, kind: str, ending: ReplyEnd
) -> None:
    found = apply_fault(reply, fault(kind, after=after))
    assert (found.begins, found.ending, found.body) == (True, ending, sent)
    assert found.headers == reply.headers


def test_a_stream_is_cut_after_one_event_and_a_body_in_the_middle() -> None:
    assert apply_fault(STREAM, fault("cut")).body == b"one"
    assert apply_fault(BODY, fault("cut")).body == b"1234"
    assert apply_fault(STREAM, fault("cut", after=0)).body == b""


@both
def test_slow_bytes_are_all_there_a_few_at_a_time(reply: Reply) -> None:
    found = apply_fault(reply, fault("slow", size=3, pause="2s"))
    assert (found.body, found.pause) == (reply.body, timedelta(seconds=2))
    assert [len(piece) for piece in found.pieces[:-1]] == [3] * (len(found.pieces) - 1)
    assert (found.headers, found.ending) == (reply.headers, ReplyEnd.COMPLETE)


@both
def test_content_length_exceeds_the_body(reply: Reply) -> None:
    found = apply_fault(reply, fault("content_length"))
    assert (found.body, found.ending) == (reply.body, ReplyEnd.DROPPED)
    assert int(found.headers["content-length"]) == len(reply.body) + 1


def test_fault_comes_before_the_last_event() -> None:
    places = [events_before(fault("cut", after=after), 3) for after in (0, 1, 2, 3, 99)]
    assert places == [0, 1, 2, 2, 2]
    assert events_before(fault("malformed"), 1) == 0
