from attractor.twins.services.requests import ServiceRequest


def body(content: bytes, kind: str = "application/json") -> object:
    return ServiceRequest("POST", "/", {"content-type": kind}, content).body


def test_a_body_is_read_as_what_it_is() -> None:
    assert body(b"") is None
    assert body(b'{"a": 1}', "text/plain") == {"a": 1}
    assert body(b"a=1&b=x+y&c=", "application/x-www-form-urlencoded; charset=utf-8") == {
        "a": "1",
        "b": "x y",
        "c": "",
    }
    assert body(b"{no") == "{no"
    assert body(b"\xff") == "\ufffd"


def test_paths_and_queries_are_decoded_part_by_part() -> None:
    request = ServiceRequest("GET", "/a%2Fb/c?x=1&x=2&y=%26", {})
    assert request.segments == ["a/b", "c"]
    assert request.query == {"x": "2", "y": "&"}
    assert request.path == "/a%2Fb/c"
