"""Exchanges with a provider are passed on, recorded without keys, and replayed."""

import json
import socket
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from attractor.twins.errors import RecordingError
from attractor.twins.pytest_plugin import StartTwin
from attractor.twins.recordings.recording import (
    Recording,
    RecordingFile,
    Recordings,
    load_recordings,
)
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import LOOPBACK, in_background
from attractor.twins.server.provider_twin import ProviderTwin
from attractor.twins.server.proxy import Forwarder, is_address
from tests.patience import PATIENCE_S, wait_until
from tests.twins.exchanging import HELLO, KEYS, PATHS
from tests.twins.streaming import STREAMS, request

KEY = "sk-a-very-secret-key"
SECRET = {
    wire: {name: said.replace("k", KEY) if len(said) < 12 else said for name, said in one.items()}
    for wire, one in KEYS.items()
}
STORY = """
[[rules]]
when = { words = "trouble" }
answer.fault = { kind = "status", status = 429, retry_after = "2s" }
[[rules]]
when = { words = "cut" }
answer = { text = "This breaks off in the middle.", fault = { kind = "cut", after = 3 } }
[[rules]]
when = { words = "hang" }
answer = { text = "This does not end.", fault = { kind = "hang", after = 2 } }
[[rules]]
when = { words = "again", attempt = 1 }
answer.text = "first"
[[rules]]
answer = { text = "Once upon a time: größe.", thinking = "hm" }
"""
both = pytest.mark.parametrize("wire", list(KEYS))


class Recorder:
    """Starts twins that record another one."""

    def __init__(self, stack: ExitStack, file: Path) -> None:
        self.file = file
        self._stack = stack

    def of(self, provider: str) -> ProviderTwin:
        record = RecordingFile(self.file)
        twin = ProviderTwin(record=record, providers=(provider,))
        return self._stack.enter_context(in_background(twin))

    @property
    def recordings(self) -> list[Recording]:
        return list(load_recordings(self.file).values())


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    with ExitStack() as stack:
        yield Recorder(stack, tmp_path / "calls.jsonl")


def asked(wire: str, words: str = "hello") -> bytes:
    return json.dumps(HELLO[wire]).replace("hello", words).encode()


def post(url: str, wire: str, words: str = "hello") -> httpx.Response:
    return httpx.post(url + PATHS[wire], content=asked(wire, words), headers=SECRET[wire])


def stream(url: str, wire: str, words: str = "hello") -> tuple[bytes, bool]:
    """Return the content of a stream, and whether it was complete."""
    content = request(wire)[0].replace(b"hello", words.encode())
    sent = b""
    try:
        with httpx.stream(
            "POST", url + STREAMS[wire], content=content, headers=SECRET[wire], timeout=PATIENCE_S
        ) as response:
            for some in response.iter_bytes():
                sent += some
    except httpx.RemoteProtocolError:
        return sent, False
    return sent, True


@both
def test_recordings_are_replayed_byte_for_byte(
    wire: str, recorder: Recorder, provider_twin: StartTwin
) -> None:
    provider = provider_twin(STORY)
    twin = recorder.of(provider.url)
    bodies = [post(twin.url, wire), post(twin.url, wire, "trouble")]
    streams = [stream(twin.url, wire), stream(twin.url, wire, "cut")]
    assert [one.status_code for one in bodies] == [200, 429]
    assert [is_complete for _, is_complete in streams] == [True, False]
    assert [one.rule for one in provider.requests] == ["rule 5", "rule 1", "rule 5", "rule 2"]
    replay = provider_twin(replay=recorder.file)
    for words, one in zip(("hello", "trouble"), bodies, strict=True):
        again = post(replay.url, wire, words)
        assert (again.status_code, again.content) == (one.status_code, one.content)
        assert again.headers.get("retry-after") == one.headers.get("retry-after")
        assert again.headers["content-type"] == one.headers["content-type"]
    assert [stream(replay.url, wire, one) for one in ("hello", "cut")] == streams
    assert [one.rule for one in replay.requests] == [f"calls.jsonl:{n}" for n in (1, 2, 3, 4)]


@contextmanager
def answering(
    *pieces: bytes, until: bytes = b"\r\n\r\n", pause: float = 0
) -> Generator[tuple[str, list[bytes]]]:
    """A provider that sends these bytes to one client, and records the request."""
    heard: list[bytes] = []

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.settimeout(60)
            said = b""
            while until not in said:
                said += connection.recv(65536)
            heard.append(said)
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)

    with socket.create_server((LOOPBACK, 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield f"http://{LOOPBACK}:{server.getsockname()[1]}", heard
        thread.join(PATIENCE_S)


@both
def test_keys_are_never_recorded(wire: str, recorder: Recorder, tmp_path: Path) -> None:
    text = f'{{"error": "the key {KEY} is wrong"}}'.encode()
    head = b"HTTP/1.1 401 No\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    with answering(head % len(text) + text, until=b"good?") as (provider, heard):
        twin = recorder.of(provider)
        place = f"{twin.url}{PATHS[wire]}?key={KEY}&a=1"
        body = asked(wire, f"is {KEY} good?")
        answer = httpx.post(place, content=body, headers=SECRET[wire])
    assert KEY in answer.text
    # The provider gets the whole request of the client.
    assert heard[0].count(KEY.encode()) == 3
    kept = recorder.file.read_text()
    assert KEY not in kept
    assert kept.count("[hidden]") == 2
    (recording,) = recorder.recordings
    assert (recording.query, recording.status) == ("a=1", 401)
    assert KEY not in json.dumps([one.record()["headers"] for one in twin.requests])
    replay = ProviderTwin(recordings=Recordings(load_recordings(recorder.file)))
    with in_background(replay):
        other = {name: said.replace(KEY, "another-key") for name, said in SECRET[wire].items()}
        content = body.replace(KEY.encode(), b"another-key")
        again = httpx.post(replay.url + PATHS[wire], content=content, headers=other)
    assert again.text == '{"error": "the key [hidden] is wrong"}'


def test_model_lists_and_token_counts_are_recorded(
    recorder: Recorder, provider_twin: StartTwin
) -> None:
    provider = provider_twin('rules = [{ when = { model = "gpt-5" }, answer = {} }]')
    place = recorder.of(provider.url).url + "/v1/models"
    listed = httpx.get(place, headers=SECRET["openai"]).json()
    assert listed["data"][0]["id"] == "gpt-5"
    replay = provider_twin(replay=recorder.file)
    assert httpx.get(f"{replay.url}/v1/models", headers=SECRET["openai"]).json() == listed
    one = httpx.get(f"{place}/gpt-5", headers=SECRET["openai"]).json()
    assert one == listed["data"][0]
    count = place.replace("/v1/models", "/v1/messages/count_tokens")
    said = {name: one for name, one in HELLO["anthropic"].items() if name != "max_tokens"}
    counted = httpx.post(count, json=said, headers=SECRET["anthropic"]).json()
    assert counted == {"input_tokens": 2}
    kept = [(one.wire, one.method, one.path) for one in recorder.recordings]
    assert kept == [
        ("openai", "GET", "/v1/models"),
        ("openai", "GET", "/v1/models/gpt-5"),
        ("anthropic", "POST", "/v1/messages/count_tokens"),
    ]
    unknown = httpx.get(f"{replay.url}/v1/models", headers=SECRET["anthropic"])
    assert unknown.status_code == 400


@both
def test_streams_are_forwarded_without_buffering(
    wire: str, recorder: Recorder, provider_twin: StartTwin
) -> None:
    twin = recorder.of(provider_twin(STORY.replace('words = "hang"', 'words = "hello"')).url)
    came = b""
    # The provider sends two events and stops: a proxy that collects them would send nothing.
    with httpx.stream(
        "POST",
        twin.url + STREAMS[wire],
        content=request(wire)[0],
        headers=SECRET[wire],
        timeout=PATIENCE_S,
    ) as response:
        for piece in response.iter_bytes():
            came += piece
            if came.replace(b"\r", b"").count(b"\n\n") == 2:
                break
    wait_until(lambda: len(twin.requests) == 1)
    assert "disconnected before the end" in twin.requests[0].error
    assert not recorder.file.exists()


def test_resets_and_silence_of_a_provider_are_reported(
    recorder: Recorder, provider_twin: StartTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = provider_twin('rules = [{ answer.fault = { kind = "refused" } }]')
    answer = post(recorder.of(provider.url).url, "openai")
    assert answer.status_code == 502
    assert "RemoteProtocolError" in answer.text
    silent = provider_twin('rules = [{ answer.fault = { kind = "hang" } }]')

    impatient = partial(Forwarder, timeout=httpx.Timeout(60, read=0.2))
    monkeypatch.setattr("attractor.twins.server.provider_twin.Forwarder", impatient)
    answer = post(recorder.of(silent.url).url, "openai")
    assert answer.status_code == 502
    assert "ReadTimeout" in answer.text


def test_failed_recording_breaks_the_response(
    recorder: Recorder, provider_twin: StartTwin, tmp_path: Path
) -> None:
    twin = recorder.of(provider_twin(STORY).url)
    recorder.file.mkdir()
    with pytest.raises(httpx.RemoteProtocolError):
        post(twin.url, "openai")
    assert "calls.jsonl" in twin.errors[0].message
    token = {"authorization": f"Bearer {twin.token}"}
    assert httpx.post(f"{twin.control_url}/script", headers=token).status_code == 409
    assert twin.requests[0].error == "the response could not be recorded"


def test_a_script_comes_before_recordings(recorder: Recorder, provider_twin: StartTwin) -> None:
    recorded = post(recorder.of(provider_twin(STORY).url).url, "openai")
    rules = 'rules = [{ when = { words = "mine" }, answer = { text = "scripted" } }]'
    twin = ProviderTwin(parse_script(rules), recordings=Recordings(load_recordings(recorder.file)))
    with in_background(twin):
        assert "scripted" in post(twin.url, "openai", "mine").text
        assert post(twin.url, "openai").content == recorded.content
        neither = post(twin.url, "openai", "else")
        token = {"authorization": f"Bearer {twin.token}"}
        assert httpx.post(f"{twin.control_url}/reset", headers=token).json() == {"reset": True}
    assert neither.status_code == 400
    message = neither.json()["error"]["message"]
    assert "the nearest is 'rule 1', but words" in message
    assert message.endswith("the nearest is calls.jsonl:1, but input is 'else', not 'hello'")


def test_recording_excludes_a_script(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be combined with recording"):
        ProviderTwin(parse_script(STORY), record=RecordingFile(tmp_path / "calls.jsonl"))


HEAD = b"HTTP/1.1 201 Made\r\ncontent-type: text/event-stream\r\nserver: real\r\n"


def test_chunks_are_forwarded_at_once_and_recorded_with_times(recorder: Recorder) -> None:
    head = HEAD + b"transfer-encoding: chunked\r\n\r\n"
    events = [b"6\r\ndata:1\r\n", b"2\r\n\n\n\r\n", b"8\r\ndata:2\n\n\r\n", b"0\r\n\r\n"]
    headers = SECRET["openai"] | {"x-mine": "1", "accept-encoding": "gzip"}
    with answering(head, *events, pause=0.1) as (url, heard):
        place = f"{recorder.of(f'{url}/base').url}{PATHS['openai']}?q=%C3%A9"
        with httpx.stream("POST", place, content=asked("openai"), headers=headers) as answer:
            pieces = answer.iter_raw()
            assert (answer.status_code, next(pieces)) == (201, b"data:1")
            # The end is sent only after it is stored.
            assert not recorder.file.exists()
            assert b"".join(pieces) == b"\n\ndata:2\n\n"
    # Headers about the provider's connection are not copied to this one.
    assert "server" not in answer.headers
    line, *lines = heard[0].split(b"\r\n\r\n")[0].lower().decode().splitlines()
    assert line == f"post /base{PATHS['openai']}?q=%c3%a9 http/1.1"
    host = url.removeprefix("http://")
    assert {"x-mine: 1", "accept-encoding: identity", f"host: {host}"} <= set(lines)
    (recording,) = recorder.recordings
    first, second = recording.body
    assert 0 < first.at < second.at


def test_provider_address_has_only_scheme_host_and_path() -> None:
    for url, is_one in (
        ("http://127.0.0.1:80", True),
        ("https://api.example.com/v1", True),
        ("api.example.com", False),
        ("ftp://api.example.com", False),
        ("https://", False),
        ("https://user@example.com", False),
        ("https://example.com?key=1", False),
        ("https://example.com#part", False),
    ):
        assert is_address(url) is is_one
