"""`attractor tui` at a terminal: its server, its token, and their end."""

import json
import os
import signal
import socket
from pathlib import Path

from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode
from attractor.base.files import is_running
from attractor.factory.ledger.tokens import TokenStore
from tests.cli.git_desk import UNGUARDED, GitDesk
from tests.cli.terminals import Sitting, sit
from tests.patience import wait_until
from tests.prepared import PROGRAM

ASK = """digraph { start [shape=Mdiamond]; done [shape=Msquare]
    gate [shape=hexagon, label="Ship it?"]; start -> gate; gate -> done [label="[Y] Yes"] }"""
NAP = """digraph { start [shape=Mdiamond]; done [shape=Msquare]
    nap [shape=parallelogram, tool_command="touch begun; sleep 600"]; start -> nap -> done }"""


def make_desk(folder: Path) -> GitDesk:
    desk = GitDesk(folder)
    desk.make("digraph { start [shape=Mdiamond]; done [shape=Msquare]; start -> done }")
    return desk


def noted(desk: GitDesk) -> list[int]:
    servers = json.loads((desk.state / "server" / "address.json").read_text())["servers"]
    return [server["pid"] for server in servers.values()]


def quit_from(ann: Sitting) -> None:
    ann.until("NEEDS YOU (0)")
    ann.type("q")
    assert ann.ends_with() == 0


def test_server_and_token_last_as_long_as_the_interface(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    store = TokenStore(desk.state)
    store.create("tui-999999999-0badcafe", "decide", "x" * 40, by="ann", now=SystemClock().now())
    with sit([PROGRAM, "tui"], cwd=desk.place, environ=desk.environ) as ann:
        ann.until("NEEDS YOU (0)")
        wait_until(lambda: (desk.state / "server" / "address.json").exists())
        [token] = store.list()
        assert (token.name.split("-")[1], token.scope) == (str(ann.process.pid), "decide")
        [server] = noted(desk)
        assert is_running(server)
        quit_from(ann)
    assert store.list() == ()
    wait_until(lambda: not is_running(server))


def test_interface_acts_without_a_token_while_a_stage_works_without_a_sandbox(
    tmp_path: Path,
) -> None:
    desk = make_desk(tmp_path)
    desk.write(ASK, "ask.dot")
    desk.write(NAP, "nap.dot")
    desk.do("run", "ask.dot", *UNGUARDED, "--interviewer", "park")
    desk.begin("run", "nap.dot", *UNGUARDED, "--workspace", "in-place")
    try:
        wait_until(lambda: (desk.place / "begun").exists())
        with sit([PROGRAM, "tui"], cwd=desk.place, environ=desk.environ) as ann:
            ann.until("Decisions wait", "NEEDS YOU (1)", "a\N{NO-BREAK SPACE}answer")
            assert not TokenStore(desk.state).list()
            ann.type("1")
            quit_from(ann)
    finally:
        desk.end()
    assert json.loads((desk.state / "sessions.json").read_text()) == []


def test_running_server_is_used_and_stays(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    server = desk.begin("serve", "--port", "0")
    try:
        wait_until(lambda: (desk.state / "server" / "address.json").exists())
        with sit([PROGRAM, "tui"], cwd=desk.place, environ=desk.environ) as ann:
            quit_from(ann)
        assert noted(desk) == [server.pid]
        assert is_running(server.pid)
    finally:
        os.kill(server.pid, signal.SIGTERM)
        desk.end()


def test_first_rows_are_shown_before_a_server_answers(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    desk.write(ASK, "ask.dot")
    desk.do("run", "ask.dot", *UNGUARDED, "--interviewer", "park")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        server = {"url": url, "pid": os.getpid(), "project": ""}
        desk.state.joinpath("server").mkdir(exist_ok=True)
        desk.state.joinpath("server", "address.json").write_text(
            json.dumps({"servers": {"x": server}})
        )
        with sit([PROGRAM, "tui"], cwd=desk.place, environ=desk.environ) as ann:
            ann.until("NEEDS YOU (1)", "Starting: keys act once the server answers")
            ann.type("q")
            assert ann.ends_with() == 0


def test_server_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    desk.state.mkdir(exist_ok=True)
    desk.state.joinpath("server").write_text("not a folder")
    with sit([PROGRAM, "tui"], cwd=desk.place, environ=desk.environ) as ann:
        assert ann.ends_with() == ExitCode.UNFINISHED
        assert "the server did not start" in ann.shown


def test_interface_without_a_terminal_is_refused(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    done = desk.do("tui")
    assert (done.returncode, "needs a terminal" in done.stderr) == (2, True)
    assert not TokenStore(desk.state).list()
