"""A program that follows a run and acts on it over one connection."""

import json
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from types import MappingProxyType
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from attractor.factory.operator_process import Scope
from attractor.server.service import Service
from tests.patience import PATIENCE_S, wait_until
from tests.server.conftest import RunningServer, serving
from tests.server.events.journals import Journalist
from tests.server.runs import GATE, await_status, start

NONE: Mapping[str, str] = MappingProxyType({})


@contextmanager
def connected(
    server: RunningServer,
    run: str,
    headers: Mapping[str, str] = NONE,
    *,
    scope: Scope = Scope.OPERATE,
    token: str = "",
    query: str = "",
) -> Generator[ClientConnection]:
    proof = {"authorization": f"Bearer {token or server.token(scope)}"}
    with connect(address(server, run) + query, additional_headers={**proof, **headers}) as socket:
        yield socket


def address(server: RunningServer, run: str) -> str:
    return f"{server.url.replace('http', 'ws')}/api/v1/runs/{run}/socket"


def receive(socket: ClientConnection) -> dict[str, Any]:
    return json.loads(socket.recv(timeout=PATIENCE_S))


def await_event(socket: ClientConnection, name: str) -> dict[str, Any]:
    """Return the next event of a type."""
    while (message := receive(socket)).get("event") != name:
        pass
    return message


def order(socket: ClientConnection, action: str, **body: object) -> dict[str, Any]:
    """Send an order; return the reply, after the events before it."""
    socket.send(json.dumps({"id": action, "action": action, "body": body}))
    while "reply" not in (message := receive(socket)):
        pass
    assert message["reply"] == action
    return message


def test_program_follows_a_run_and_answers_its_question(server: RunningServer) -> None:
    # No token is created while a stage of the run executes without a sandbox.
    token = server.token(Scope.OPERATE)
    with server.client() as client:
        run = start(client, GATE)
        with connected(server, run, token=token) as socket:
            await_event(socket, "StageParked")
            refused = order(socket, "answer", answer="Perhaps")
            assert refused["problem"]["status"] == 400
            reply = order(socket, "answer", answer="Ship", why="it is good")
            assert (reply["result"]["value"], reply["result"]["process"]) == ("S", "started")
            await_status(client, run, lambda one: one["phase"] == "decision" and not one["live"])
            assert order(socket, "cancel")["result"]["taken"]
            end = await_event(socket, "end")
            assert (end["data"]["status"], list(socket)) == ("canceled", [])
            assert socket.close_code == 1000


def test_events_continue_after_a_number(server: RunningServer) -> None:
    runs = server.service.project.runs_dir
    with Journalist(runs / "one") as writer:
        writer.say("a", "b", "c")
        for query, headers in (("?after=1", {}), ("", {"last-event-id": "1"})):
            with connected(server, "one", headers, query=query) as socket:
                found = [receive(socket) for _ in "bc"]
                assert [(one["id"], one["data"]["data"]["word"]) for one in found] == [
                    (2, "b"),
                    (3, "c"),
                ]
                assert [one["event"] for one in found] == ["Said", "Said"]


@pytest.mark.parametrize(
    ("sent", "scope", "fault"),
    [
        ("no json", Scope.OPERATE, "Invalid JSON"),
        ('{"id": "1"}', Scope.OPERATE, "action: Field required"),
        ('{"id": "1", "action": "explode"}', Scope.OPERATE, "unknown action 'explode'"),
        ('{"id": "1", "action": "steer"}', Scope.OPERATE, "text: Field required"),
        ('{"id": "1", "action": "pause"}', Scope.READ, "this needs operate"),
        ('{"id": "1", "action": "pause"}', Scope.OPERATE, "it cannot be paused"),
    ],
)
def test_invalid_order_gets_a_problem_and_the_events_continue(
    server: RunningServer, sent: str, scope: Scope, fault: str
) -> None:
    with Journalist(server.service.project.runs_dir / "one") as writer:
        writer.say("a")
    with connected(server, "one", scope=scope) as socket:
        assert receive(socket)["id"] == 1
        socket.send(sent)
        assert fault in receive(socket)["problem"]["detail"]
        with Journalist(writer.directory.root, writer.head) as again:
            again.say("b")
        assert receive(socket)["id"] == 2


MESSAGES = {
    "binary": (Opcode.BINARY, b'{"id": "1", "action": "pause"}', "the message is binary"),
    "broken": (Opcode.TEXT, b'{"id": "1", "action"', "Invalid JSON"),
    "deep": (Opcode.TEXT, b"[" * 100_000, "recursion limit"),
    "bad UTF-8": (Opcode.TEXT, b'{"id": "\xff"}', ""),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_message_that_is_no_order_ends_without_a_traceback(
    server: RunningServer, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    opcode, content, fault = MESSAGES[kind]
    with Journalist(server.service.project.runs_dir / "one") as writer:
        writer.say("a")
    with connected(server, "one") as socket:
        assert receive(socket)["id"] == 1
        with socket.send_context():
            socket.protocol.send_frame(Frame(opcode, content))
        if fault:
            assert fault in receive(socket)["problem"]["detail"]
        else:
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=PATIENCE_S)
            assert socket.close_code == 1007
    assert caplog.records == []
    assert [one.reason for one in server.log] in ([], [""])


def test_client_that_leaves_before_the_reply_to_its_order_leaves_no_traceback(
    service: Service,
) -> None:
    with serving(service) as server:
        root = service.project.runs_dir / "one"
        with Journalist(root) as writer:
            (root / "inbox").mkdir()
            writer.say("a")
            with connected(server, "one") as socket:
                assert receive(socket)["id"] == 1
                # The process of this run takes no orders, so the reply comes after two seconds.
                socket.send('{"id": "1", "action": "steer", "body": {"text": "faster"}}')
                wait_until(lambda: [*(root / "inbox").iterdir()] != [])
                writer.change("canceled")
                writer.stop()
                await_event(socket, "end")
        wait_until(lambda: len(server.log) > 0)
    assert [one.reason for one in server.log] == [""]


def test_orders_reach_a_child_run(server: RunningServer) -> None:
    root = server.service.project.runs_dir / "ONE"
    for folder in (root, root / "children/build@1.1"):
        with Journalist(folder) as writer:
            writer.say(folder.name)
    with connected(server, "ONE:build@1.1") as socket:
        assert receive(socket)["data"]["data"] == {"word": "build@1.1"}
        assert "it cannot be paused" in order(socket, "pause")["problem"]["detail"]


@pytest.mark.parametrize(
    ("run", "headers", "status"),
    [
        ("missing", {}, 404),
        ("one", {"authorization": "Bearer wrong"}, 401),
        ("one", {"origin": "http://other.example"}, 403),
        ("one", {"last-event-id": "7"}, 400),
    ],
)
def test_connection_is_refused_like_a_request(
    server: RunningServer, run: str, headers: dict[str, str], status: int
) -> None:
    with Journalist(server.service.project.runs_dir / "one") as writer:
        writer.say("a")
    with pytest.raises(InvalidStatus) as refused, connected(server, run, headers):
        pass
    assert refused.value.response.status_code == status


def test_session_of_a_browser_connects_from_its_own_pages(server: RunningServer) -> None:
    with Journalist(server.service.project.runs_dir / "one") as writer:
        writer.say("a")
    with closing(server.browser()) as browser:
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {"cookie": cookie, "origin": server.url}
    with connect(address(server, "one"), additional_headers=headers) as socket:
        assert receive(socket)["id"] == 1
