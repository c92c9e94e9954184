import json
from dataclasses import replace
from datetime import timedelta

import pytest

from attractor.twins.exchange.answer import Fault, FaultKind, apply_fault
from attractor.twins.exchange.wire import wire_registry
from attractor.twins.script.script import parse_script
from attractor.twins.server.provider_state import IncomingRequest, reply_to
from tests.twins.exchanging import HELLO, KEYS, refusal, reply
from tests.twins.streaming import put_together, stream

pytestmark = pytest.mark.parametrize("wire", list(KEYS))


def fault(text: str) -> str:
    return f'rules = [{{ answer = {{ text = "a", fault = {{ {text} }} }} }}]'


def test_the_same_request_gets_the_same_bytes(wire: str) -> None:
    assert reply(wire, HELLO[wire]) == reply(wire, HELLO[wire])
    other = HELLO[wire] | {"temperature": 1}
    assert reply(wire, HELLO[wire]).body != reply(wire, other).body


def test_path_parameters_are_part_of_the_request(wire: str) -> None:
    script = 'rules = [{ when = { model = "m-1" }, answer = { text = "a" } }]'
    incoming = IncomingRequest(wire_registry()[wire], KEYS[wire], json.dumps(HELLO[wire]).encode())
    assert reply_to(incoming, parse_script(script)).status == 400
    asked = [replace(incoming, from_path={"model": f"m-{number}"}) for number in (1, 2)]
    assert [reply_to(one, parse_script(script)).status for one in asked] == [200, 400]
    assert len({one.seed for one in [incoming, *asked]}) == 3


def test_reply_has_the_rule_with_its_delay_and_headers(wire: str) -> None:
    script = 'rules = [{ name = "r", answer = { delay = "2s", headers = { x-left = "3" } } }]'
    found = reply(wire, HELLO[wire], script)
    assert (found.status, found.rule, found.delay) == (200, "r", timedelta(seconds=2))
    assert found.headers["x-left"] == "3"


@pytest.mark.parametrize(
    ("status", "retry", "header"),
    [(429, "2s", "2"), (503, "1500ms", "1.5"), (500, "", None), (529, "", None)],
)
def test_a_status_is_written_in_the_providers_shape(
    wire: str, status: int, retry: str, header: str | None
) -> None:
    after = f', retry_after = "{retry}"' if retry else ""
    found = reply(wire, HELLO[wire], fault(f'kind = "status", status = {status}{after}'))
    assert (found.status, found.headers.get("retry-after")) == (status, header)
    assert found.rule == "rule 1"
    error = json.loads(found.body)["error"]
    assert error["message"] == "the script says so"
    assert error["status" if wire == "gemini" else "type"]


@pytest.mark.parametrize("kind", ["cut", "hang", "refused", "slow", "content_length"])
def test_delivery_faults_apply_to_the_whole_answer(wire: str, kind: str) -> None:
    whole = reply(wire, HELLO[wire], fault('kind = "slow"'))
    assert "a" in str(json.loads(whole.body))
    trouble = Fault(kind=FaultKind(kind))
    made = replace(whole, pieces=(whole.body,), pause=timedelta())
    assert reply(wire, HELLO[wire], fault(f'kind = "{kind}"')) == apply_fault(made, trouble)


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b"\xff", b'{"a":1,"a":2}'])
def test_a_body_that_is_no_object_is_refused(wire: str, body: bytes) -> None:
    status, error = refusal(wire, body)
    assert (status, error["message"].startswith("the body")) == (400, True)


def test_a_request_without_a_rule_is_an_error_in_the_providers_shape(wire: str) -> None:
    script = 'rules = [{ name = "r", when = { step = 3 }, answer = {} }]'
    status, error = refusal(wire, HELLO[wire], script=script)
    assert status == 400
    assert "the nearest is 'r', but step is 0, not 3" in error["message"]


def test_the_same_request_for_a_stream_gets_the_same_bytes(wire: str) -> None:
    script = 'rules = [{ answer = { text = "a", pace = "2s" } }]'
    one, other = stream(wire, script), stream(wire, script)
    assert one == other
    assert (one.pause, one.headers["content-type"]) == (timedelta(seconds=2), "text/event-stream")
    assert put_together(wire, one.body)
    assert json.loads(reply(wire, HELLO[wire]).body)


def test_a_status_without_a_place_is_an_answer_without_a_stream(wire: str) -> None:
    found = stream(wire, fault('kind = "status", status = 429, retry_after = "2s"'))
    assert (found.status, found.headers["retry-after"]) == (429, "2")
    assert json.loads(found.body)["error"]["message"] == "the script says so"


def test_a_refused_request_gets_no_stream(wire: str) -> None:
    found = stream(wire, "rules = []")
    assert (found.status, found.headers["content-type"]) == (400, "application/json")


@pytest.mark.parametrize("kind", ["cut", "hang", "malformed", "status"])
def test_late_fault_comes_before_the_last_event(wire: str, kind: str) -> None:
    plain = stream(wire, 'rules = [{ answer = { text = "a" } }]').pieces
    pieces = stream(wire, fault(f'kind = "{kind}", after = 99')).pieces
    before = len(plain) - 1
    assert pieces[:before] == plain[:before]
    assert plain[before] not in pieces


@pytest.mark.parametrize("broken", [{"model": 5}, {"model": None}])
def test_a_field_of_the_wrong_sort_is_named(wire: str, broken: dict[str, object]) -> None:
    status, error = refusal(wire, HELLO[wire] | broken)
    assert status == 400
    assert error["message"].startswith("model: ")
