from datetime import timedelta
from typing import Any

import httpx

from attractor.twins.hosting import in_background
from attractor.twins.provider_twin import ProviderTwin
from attractor.twins.recording import Piece, Recording
from attractor.twins.recordings import Recordings, Sought, reply_of
from attractor.twins.reply import Ending
from attractor.twins.virtual_clock import VirtualClock
from tests.twins.exchanging import HELLO, KEYS

EVENTS = {"content-type": "text/event-stream"}


def recording(text: str = "", **more: Any) -> Recording:
    said = {"wire": "openai", "path": "/p", "status": 200, "request": {"a": 1}} | more
    return Recording.model_validate({"version": 1, "body": [{"at": 0.5, "text": text}]} | said)


def sought(request: Any = None, wire: str = "openai", path: str = "/p") -> Sought:
    return Sought(wire, "POST", path, {"a": 1} if request is None else request)


def test_answers_to_the_same_request_come_in_order_and_the_last_one_stays() -> None:
    recordings = Recordings({"1": recording("a"), "2": recording("b")})
    given = [recordings.answer(sought()) for _ in range(4)]
    assert [one and one.body for one in given] == [b"a", b"b", b"b", b"b"]
    assert [one and one.rule for one in given] == ["1", "2", "2", "2"]
    recordings.forget()
    again = recordings.answer(sought())
    assert again is not None
    assert again.body == b"a"


def test_only_the_same_request_is_answered() -> None:
    recordings = Recordings({"1": recording("a")})
    others = [sought({"a": 2}), sought(wire="gemini"), sought(path="/q")]
    assert [recordings.answer(one) for one in others] == [None, None, None]


def test_the_nearest_is_named_with_the_first_difference() -> None:
    recordings = Recordings(
        {
            "far": recording(request={"a": 5, "b": 6, "c": [7]}),
            "near": recording(request={"a": 1, "c": [8]}),
            "elsewhere": recording(path="/q", request={"a": 1, "c": [7]}),
        }
    )
    told = recordings.refusal(sought({"a": 1, "c": [7]}))
    assert told == "no recording answers this request; the nearest is near, but c[0] is 7, not 8"
    told = recordings.refusal(sought({"a": 1}, path="/r"))
    assert "this is POST /r, not POST /p" in told


def test_statuses_headers_and_bytes_are_those_that_came() -> None:
    found = reply_of(
        recording("{}", status=429, headers={"retry-after": "3"}), rule="r", is_paced=False
    )
    assert (found.status, found.body, found.headers["retry-after"]) == (429, b"{}", "3")
    assert found.headers["content-length"] == "2"
    assert (found.delay, found.ending) == (timedelta(), Ending.COMPLETE)


def test_a_stream_comes_at_once_or_when_it_came() -> None:
    pieces = (Piece(at=1, text="a\n\n"), Piece(at=1.5, text="b\n\n"), Piece(at=4, text="c\n\n"))
    kept = recording(headers=EVENTS).model_copy(update={"body": pieces})
    at_once, paced = (reply_of(kept, rule="r", is_paced=one) for one in (False, True))
    assert at_once.pieces == paced.pieces == (b"a\n\n", b"b\n\n", b"c\n\n")
    assert [at_once.pause_before(one) for one in range(3)] == [timedelta()] * 3
    assert paced.delay == timedelta(seconds=1)
    assert [paced.pause_before(one).total_seconds() for one in range(3)] == [0, 0.5, 2.5]
    assert "content-length" not in paced.headers


def test_what_broke_off_then_breaks_off_again() -> None:
    body = reply_of(recording("ab", ended="dropped"), rule="r", is_paced=False)
    assert (body.ending, body.headers["content-length"]) == (Ending.DROPPED, "3")
    stream = reply_of(
        recording("ab\n\n", ended="dropped", headers=EVENTS), rule="r", is_paced=False
    )
    assert stream.ending is Ending.DROPPED


def test_the_pace_of_a_recording_goes_by_the_clock_of_the_twin() -> None:
    pieces = tuple(Piece(at=at, text=f"data: {at}\n\n") for at in (1, 1.5, 600))
    request = HELLO["openai"] | {"stream": True}
    kept = recording(headers=EVENTS, path="/v1/responses", request=request)
    kept = kept.model_copy(update={"body": pieces})
    clock = VirtualClock(jumps=True)
    twin = ProviderTwin(recordings=Recordings({"r": kept}, is_paced=True), clock=clock)
    with in_background(twin):
        came = httpx.post(twin.url + "/v1/responses", json=request, headers=KEYS["openai"])
    assert came.text == "data: 1\n\ndata: 1.5\n\ndata: 600\n\n"
    assert clock.monotonic() == 600
