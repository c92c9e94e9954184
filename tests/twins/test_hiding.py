import json

import pytest

from attractor.twins.hidden_keys import HiddenKeys, keys_of
from attractor.twins.hiding import hide_in_body, hide_in_events

KEY = "sk-SECRETKEY-abcdefghijklmnop"
KEYS = HiddenKeys([KEY])


def event(**told: object) -> bytes:
    return b"event: delta\ndata: " + json.dumps(told).encode() + b"\n\n"


def texts(events: list[bytes]) -> list[str]:
    hidden = hide_in_events(events, KEYS)
    return [json.loads(one.split(b"data: ")[1])["delta"]["text"] for one in hidden]


@pytest.mark.parametrize("size", [1, 3, 7, 40])
def test_a_key_that_is_streamed_in_pieces_is_hidden(size: int) -> None:
    text = f"the key {KEY} and {KEY}."
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    told = texts([event(delta={"text": one}) for one in pieces])
    assert "".join(told) == "the key [hidden] and [hidden]."
    assert len(told) == len(pieces)


def test_events_without_a_key_stay_byte_for_byte() -> None:
    events = [b'data:  {"a" : "b"}\r\n\r\n', b": ping\n\n", b"data: [DONE]\n\n", b"data: {"]
    assert hide_in_events(events, KEYS) == events


def test_only_what_holds_a_piece_of_the_key_is_written_anew() -> None:
    first, *rest = [event(delta={"text": one}) for one in ("so ", KEY[:9], KEY[9:] + " end")]
    untouched, *hidden = hide_in_events([first, *rest], KEYS)
    assert untouched == first
    assert [one.startswith(b"event: delta\ndata: {") for one in hidden] == [True, True]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"a": [KEY]}),
        json.dumps({KEY: {"b": f"<{KEY}>"}}),
        '{"a": "' + "".join(f"\\u{ord(one):04x}" for one in KEY) + '"}',
        f"<p>{KEY}</p>",
    ],
    ids=["value", "name", "escaped", "no JSON"],
)
def test_a_body_has_no_key_however_it_is_written(body: str) -> None:
    hidden = hide_in_body(body.encode(), KEYS)
    assert b"[hidden]" in hidden
    assert KEY not in hidden.decode()
    assert b"u0073" not in hidden


def test_a_body_without_a_key_stays_byte_for_byte() -> None:
    body = b'{"b" : 1,\t"a":"\\u00e9"}'
    assert hide_in_body(body, KEYS) == body


@pytest.mark.parametrize("key", ["YWJjZGVmZ2hpamtsbW5v+A==", "abcdefgh=", "abc=defgh"])
def test_a_key_may_end_in_signs_of_base64(key: str) -> None:
    keys = keys_of({"authorization": f"Bearer {key}"}, "")
    assert keys.hide_text(f"no {key}!") == "no [hidden]!"
