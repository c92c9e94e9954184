from attractor.twins.reply import streamed, whole


def test_a_body_has_its_length_and_a_stream_has_none() -> None:
    body = whole(429, "é".encode(), {"X-Left": "0", "Content-Length": "7"}, rule="r")
    assert body.headers == {
        "content-type": "application/json",
        "x-left": "0",
        "content-length": "2",
    }
    assert (body.status, body.rule, body.body) == (429, "r", "é".encode())
    stream = streamed([b"a", b"b"], {"X-Left": "0"})
    assert stream.headers == {"content-type": "text/event-stream", "x-left": "0"}
    assert (stream.status, stream.body) == (200, b"ab")
