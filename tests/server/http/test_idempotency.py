"""A write with the key of an earlier one gets its answer, and does nothing."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from attractor.server import serving as module
from attractor.server.application import OPENAPI
from attractor.server.errors import KeyReused, UnknownResult
from attractor.server.http import exchange
from attractor.server.http.idempotency import KEPT_S, AnswerStore, KeptAnswer
from attractor.server.service import Service
from tests.factory.flows import ShiftedClock
from tests.patience import PATIENCE_S, wait_until
from tests.server.conftest import RunningServer, serving

PLACE = "/count"
STREAM = {"accept": "text/event-stream"}
ANSWER = KeptAnswer(201, [("location", "/made")], b"made")


class Counter:
    """An endpoint that counts, and answers as the body says."""

    def __init__(self) -> None:
        self.counted = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def answer(self, request: Request) -> Response:
        self.counted += 1
        assert self.may_answer.wait(PATIENCE_S)
        status = int(request.query_params.get("status", 201))
        if status == 500:
            raise RuntimeError("a defect")
        return JSONResponse({"count": self.counted}, status, headers={"location": "/made"})


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def server(service: Service, counter: Counter) -> Iterator[RunningServer]:
    with serving(
        service, routes=[Route(PLACE, counter.answer, methods=["GET", "POST"])]
    ) as running:
        yield running


def post(client: httpx.Client, key: str = "one", content: str = "", **query: int) -> httpx.Response:
    return client.post(PLACE, params=query, content=content, headers={"idempotency-key": key})


def test_repeated_request_gets_the_same_answer(server: RunningServer, counter: Counter) -> None:
    with server.client() as client, server.client() as other:
        first, again = post(client, content="a"), post(client, content="a")
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert again.headers["location"] == "/made"
        replayed = [one.headers.get("idempotency-replayed") for one in (first, again)]
        assert replayed == [None, "true"]
        for changed in (post(client, content="b"), post(client, content="a", more=1)):
            assert (changed.status_code, changed.json()["type"]) == (422, "urn:attractor:KeyReused")
        assert counter.counted == 1
        # A key belongs to its caller, and reads have none.
        post(other, content="a")
        post(client, key="two", content="a")
        client.get(PLACE, headers={"idempotency-key": "one"})
        client.post(PLACE)
    assert counter.counted == 5


def test_requests_at_once_act_once(server: RunningServer, counter: Counter) -> None:
    counter.may_answer.clear()
    with server.client() as client, ThreadPoolExecutor() as pool:
        sent = [pool.submit(post, client) for _ in range(4)]
        wait_until(lambda: counter.counted)
        counter.may_answer.set()
        answers = {one.result().text for one in sent}
    assert (answers, counter.counted) == ({'{"count":1}'}, 1)


@pytest.mark.parametrize(("status", "times"), [(404, 1), (409, 1), (403, 2), (429, 2), (503, 2)])
def test_refused_request_may_be_repeated(
    server: RunningServer, counter: Counter, status: int, times: int
) -> None:
    with server.client() as client:
        assert [post(client, status=status).status_code for _ in range(2)] == [status] * 2
    assert counter.counted == times


def test_request_of_a_defect_is_not_repeated(server: RunningServer, counter: Counter) -> None:
    with server.client() as client:
        statuses = [post(client, status=500).status_code for _ in range(2)]
    assert (statuses, counter.counted) == ([500, 409], 1)


def test_request_in_flight_when_the_server_stops_is_a_problem_and_not_repeated(
    service: Service,
    counter: Counter,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "CLOSING_S", 0.1)
    monkeypatch.setattr(exchange, "VALID_S", 0)
    routes = [Route(PLACE, counter.answer, methods=["POST"])]
    counter.may_answer.clear()
    with ThreadPoolExecutor() as pool, ExitStack() as stack:
        with serving(service, routes=routes) as stopped:
            client = stack.enter_context(stopped.client())
            sent = pool.submit(post, client)
            streaming = pool.submit(client.get, "/api/v1/events", headers=STREAM)
            wait_until(lambda: counter.counted and len(service.events))
        answer = sent.result()
        counter.may_answer.set()
        with pytest.raises(httpx.RemoteProtocolError):
            streaming.result()
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:attractor:ServerStopped")
        lines = {line.path: (line.status, line.reason) for line in stopped.log}
        assert lines == {PLACE: (503, answer.json()["detail"]), "/api/v1/events": (200, "")}
        assert not caplog.records
        with serving(service, routes=routes) as server:
            client.base_url = server.url
            assert post(client).json()["type"] == "urn:attractor:UnknownResult"
    assert counter.counted == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "\xfc"])
def test_invalid_key_is_refused(server: RunningServer, counter: Counter, key: str) -> None:
    with server.client() as client:
        headers = [(b"idempotency-key", key.encode("latin-1"))]
        answer = client.post(PLACE, headers=headers)
    assert (answer.status_code, counter.counted) == (422, 0)


def test_unusable_store_of_answers_is_a_problem(server: RunningServer, counter: Counter) -> None:
    file = server.service.project.machine.state_dir / "server" / "requests.sqlite3"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("no database")
    with server.client() as client:
        answer = post(client)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:attractor:MachineryError")
    assert counter.counted == 0


def test_document_describes_the_header(server: RunningServer) -> None:
    with server.client("read") as client:
        paths = client.get(OPENAPI).json()["paths"]
    names = {
        method: [one["name"] for one in operation.get("parameters", ())]
        for method, operation in paths["/api/v1/runs"].items()
    }
    assert "Idempotency-Key" in names["post"]
    assert "Idempotency-Key" not in names.get("get", ())


def test_answers_are_kept_for_a_day_and_beyond_the_end_of_a_server(tmp_path: Path) -> None:
    def store(hours: float = 0) -> AnswerStore:
        return AnswerStore(tmp_path / "answers", ShiftedClock(timedelta(hours=hours)))

    assert store().begin("ann 1", "POST /a") is None
    with pytest.raises(UnknownResult):
        store().begin("ann 1", "POST /a")
    store().finish("ann 1", ANSWER)
    assert store().begin("ann 1", "POST /a") == ANSWER
    with pytest.raises(KeyReused):
        store(hours=23).begin("ann 1", "POST /b")
    assert store(hours=KEPT_S / 3600 + 1).begin("ann 1", "POST /b") is None
