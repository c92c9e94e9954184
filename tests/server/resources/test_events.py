"""Events over HTTP, from a server on a real socket."""

import json
import socket
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, connect_sse

from attractor.factory.operator_process import Scope
from attractor.server.events import buffer, streams
from attractor.server.resources import events
from attractor.server.service import Service
from tests.patience import PATIENCE_S, wait_until
from tests.server.conftest import RunningServer, serving
from tests.server.events.journals import Journalist

FEED = "/api/v1/events"
STREAM = {"accept": "text/event-stream"}


@pytest.fixture
def runs(service: Service) -> Path:
    return service.project.runs_dir


@contextmanager
def connected(service: Service) -> Generator[httpx.Client]:
    """Yield a client of a new server."""
    with serving(service) as server, server.client() as client:
        yield client


@contextmanager
def streamed(
    client: httpx.Client, path: str, **headers: str
) -> Generator[Iterator[ServerSentEvent]]:
    """Yield the events of a stream."""
    with connect_sse(client, "GET", path, headers={**STREAM, **headers}) as it:
        assert it.response.status_code == 200, it.response.read()
        yield it.iter_sse()


def take(stream: Iterator[ServerSentEvent], count: int) -> list[tuple[str, str]]:
    """Return the id and the word of the next events."""
    return [(one.id, one.json()["data"]["word"]) for one in islice(stream, count)]


@pytest.mark.parametrize("path", ["/pipelines/{}/events", "/api/v1/runs/{}/events"])
def test_stream_of_a_run_resumes_after_any_event_and_a_restart(
    service: Service, runs: Path, path: str
) -> None:
    with Journalist(runs / "one") as writer:
        writer.say("a", "b")
        with connected(service) as client, streamed(client, path.format("one")) as stream:
            assert take(stream, 2) == [("1", "a"), ("2", "b")]
            writer.say("c")
            assert take(stream, 1) == [("3", "c")]
        writer.say("d")
        with connected(service) as client:
            with streamed(client, path.format("one"), **{"last-event-id": "2"}) as stream:
                assert take(stream, 2) == [("3", "c"), ("4", "d")]
            with streamed(client, f"{path.format('one')}?after=3") as stream:
                assert take(stream, 1) == [("4", "d")]
                writer.change("failed", "broken")
                writer.stop()
                status, end = stream
                assert (status.event, status.id) == ("RunStatusChanged", "5")
                assert end.event == "end"
                assert end.json()["status"] == "failed"


def test_feed_has_each_event_of_all_runs_once_across_restarts(service: Service, runs: Path) -> None:
    with Journalist(runs / "one") as one, ExitStack() as open_writers:
        one.say("old")
        with connected(service) as client, streamed(client, FEED) as stream:
            one.say("a")
            [(first, _)] = seen = take(stream, 1)
        two = open_writers.enter_context(Journalist(runs / "two"))
        two.say("b")
        with connected(service) as client:
            with streamed(client, FEED, **{"last-event-id": first}) as stream:
                seen += take(stream, 1)
                one.say("c")
                seen += take(stream, 1)
            assert [word for _, word in seen] == ["a", "b", "c"]
            numbers = [int(number) for number, _ in seen]
            assert numbers == sorted(set(numbers))
            with streamed(client, f"{FEED}?after={first}") as again:
                assert take(again, 2) == seen[1:]
            listed = client.get(FEED).json()
            assert [(str(one["number"]), one["data"]["word"]) for one in listed["items"]] == seen
            refused = client.get(
                FEED, headers={"last-event-id": "7", "accept": "text/event-stream"}
            )
            assert (refused.status_code, refused.json()["detail"]) == (400, "unknown event 7")


def test_stream_has_heartbeats_and_is_never_cached(
    server: RunningServer, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.05)
    with (
        Journalist(runs / "one") as writer,
        server.client() as client,
        client.stream("GET", "/pipelines/one/events") as response,
    ):
        lines = response.iter_lines()
        assert [next(lines) for _ in range(2)] == [": the stream is open"] * 2
        writer.say("a")
        assert "retry: 1000" in lines
        assert (next(lines), next(lines)) == ("id: 1", "event: Said")
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"


def pages(client: httpx.Client, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    """Return all pages of a list."""
    found: list[list[dict[str, Any]]] = []
    while True:
        answer = client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["items"])
        query["cursor"] = answer.json()["next"]
        if not query["cursor"]:
            return found


def test_pages_have_each_selected_event_once(server: RunningServer, runs: Path) -> None:
    path = "/api/v1/runs/one/events"
    with Journalist(runs / "one") as writer, server.client() as client:
        for number in range(10):
            writer.say(str(number), node="even" if number % 2 == 0 else "odd")
        writer.change("executing")
        journal = [json.loads(one) for one in writer.directory.events.read_text().splitlines()]
        assert client.get(path).json() == {"items": journal, "next": ""}
        cases: list[tuple[dict[str, Any], list[list[int]]]] = [
            ({"limit": 4}, [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11]]),
            ({"limit": 4, "after": 5, "type": "Said"}, [[6, 7, 8, 9], [10]]),
            ({"limit": 3, "node": "odd"}, [[2, 4, 6], [8, 10]]),
            ({"type": ["RunStatusChanged", "Other"]}, [[11]]),
            ({"type": "Other"}, [[]]),
        ]
        for query, numbers in cases:
            found = pages(client, path, **query)
            assert [[one["seq"] for one in page] for page in found] == numbers, query


def test_corrupt_journal_is_a_problem_after_its_valid_events(
    server: RunningServer, runs: Path
) -> None:
    with Journalist(runs / "one") as writer:
        writer.say("a", "b", "c")
        journal = writer.directory.events
    journal.write_bytes(journal.read_bytes().replace(b'"b"', b'"x"'))
    with server.client() as client:
        first = client.get("/api/v1/runs/one/events").json()
        assert [one["seq"] for one in first["items"]] == [1]
        second = client.get("/api/v1/runs/one/events", params={"cursor": first["next"]})
        assert second.status_code == 409
        with streamed(client, "/pipelines/one/events") as stream:
            event, problem, end = stream
            assert (event.id, problem.event, end.event) == ("1", "problem", "end")
            assert problem.json() == second.json()
            assert "line 2 was changed" in problem.json()["detail"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/pipelines/missing/events", 404),
        ("/api/v1/runs/missing/events", 404),
        ("/pipelines/one/events?after=3", 400),
        ("/pipelines/one/events?after=-1", 422),
        ("/api/v1/runs/one/events?cursor=x", 400),
        ("/api/v1/runs/one/events?cursor=LTE", 400),
        ("/api/v1/events?cursor=MTE4MDU5MTYyMDcxNzQxMTMwMzQyNA", 400),
        ("/api/v1/runs/one/events?limit=0", 422),
    ],
)
def test_invalid_request_is_a_problem(
    server: RunningServer, runs: Path, path: str, status: int
) -> None:
    with Journalist(runs / "one") as writer, server.client() as client:
        writer.say("a")
        answer = client.get(path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
    assert httpx.get(f"{server.url}{path}").status_code == 401


def test_streams_of_a_caller_and_of_all_callers_are_limited(
    server: RunningServer, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS_EACH", 2)
    monkeypatch.setattr(streams, "MAX_STREAMS", 3)
    path = "/pipelines/one/events"
    with Journalist(runs / "one") as writer, ExitStack() as stack:
        writer.say("a")
        ann, bob = (stack.enter_context(server.client(Scope.READ)) for _ in range(2))
        held = [stack.enter_context(streamed(one, path)) for one in (ann, ann, bob)]
        assert [take(one, 1) for one in held] == [[("1", "a")]] * 3
        for client in (ann, bob):
            refused = client.get(path)
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "1"
        writer.change("failed")
        writer.stop()
        stack.pop_all().close()
    with server.client() as client, streamed(client, path) as stream:
        assert [one.event for one in stream] == ["Said", "RunStatusChanged", "end"]


SMALL_BUFFER = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)]


def slow_client(server: RunningServer) -> httpx.Client:
    """Return a client whose connection buffers little unread data."""
    return httpx.Client(
        base_url=server.url,
        headers={"authorization": f"Bearer {server.token()}"},
        timeout=PATIENCE_S,
        transport=httpx.HTTPTransport(socket_options=SMALL_BUFFER),
    )


def write_much(writer: Journalist, stream: Iterator[ServerSentEvent]) -> list[str]:
    """Write more than a connection can buffer; return the ids that a reader gets meanwhile."""
    seen: list[str] = []
    for _ in range(8):
        writer.say(*["x" * 60_000] * 3)
        seen += [id_ for id_, _ in take(stream, 3)]
    assert seen == [str(number) for number in range(1, 25)]
    return seen


def test_reader_that_stops_for_a_while_is_dropped_and_resumes(
    server: RunningServer, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffer, "KEPT_BYTES", 200_000)
    path = "/pipelines/one/events"
    with (
        Journalist(runs / "one") as writer,
        server.client() as quick,
        slow_client(server) as slow,
        streamed(quick, path) as quickly,
        streamed(slow, path) as slowly,
    ):
        seen = write_much(writer, quickly)
        *received, dropped = slowly
        ids = [one.id for one in received]
        assert dropped.event == "dropped"
        assert dropped.json()["last"] == len(ids) < len(seen)
        with streamed(slow, path, **{"last-event-id": ids[-1]}) as again:
            assert ids + [id_ for id_, _ in take(again, len(seen) - len(ids))] == seen


def test_reader_that_never_reads_is_dropped(
    server: RunningServer,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(events, "SEND_TIMEOUT_S", 0.2)
    path = "/pipelines/one/events"
    with (
        Journalist(runs / "one") as writer,
        server.client() as quick,
        slow_client(server) as never,
        streamed(quick, path) as quickly,
        streamed(never, path),
    ):
        write_much(writer, quickly)
        wait_until(lambda: len(server.service.events) == 1)
    assert f"{path}: dropped a reader that read nothing" in caplog.messages
