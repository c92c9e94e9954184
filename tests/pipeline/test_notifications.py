"""Notifications: delay, parked questions, ends of runs, errors and redaction."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from attractor.base.clock import SystemClock
from attractor.base.events import Event
from attractor.base.json import Json
from attractor.engine.budgets import Budgets
from attractor.engine.questions.question import Answer, AnswerKind, Question, ask_each
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.environments.environment import inherited
from attractor.pipeline import notifications
from attractor.pipeline.execute import resume
from attractor.pipeline.notifications import (
    ADDRESS,
    address_of,
    limit_in,
    note_address,
    send_notice,
)
from attractor.pipeline.project.custom_parts import HANDED_IN, CustomParts
from attractor.pipeline.project.project import Notify, Project
from tests.patience import PATIENCE_S, until
from tests.pipeline.projects import adjusted, make_project, open_project, simulated, start
from tests.tables import table

SECRET = "s3cr3t-of-the-operator"
GATE = """
digraph gate {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    gate  [shape=hexagon, label="Is it good?"]
    start -> gate
    gate -> exit [label="[Y] Yes"]
}
"""


class Slow:
    """Answers after a notification."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.overheard: list[str] = []

    async def ask(self, question: Question) -> Answer:
        await until(self._file.exists)
        return Answer(AnswerKind.GIVEN, "Y", by="slow")

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None: ...

    def note_answer(self, question: Question, answer: Answer) -> None:
        self.overheard.append(answer.value)


def begin(opened: Project, interviewer: str = "park") -> RunResult:
    options = simulated(opened.root, workspace="none", interviewer=interviewer)
    return asyncio.run(asyncio.wait_for(start(options, opened), PATIENCE_S))


SILENT = Notify()


def project_in(folder: Path, notify: Notify = SILENT, **environ: str) -> Project:
    opened = open_project(make_project(folder / "project", GATE))
    variables = {**opened.machine.environ, **environ}
    notify = replace(notify, folder=opened.root, variables=inherited(variables))
    return adjusted(opened, environ=variables, notify=notify)


def events(result: RunResult, prefix: str) -> Sequence[Event]:
    lines = (result.directory / "events.jsonl").read_text().splitlines()
    found = [Event.from_record(json.loads(line)) for line in lines]
    return [one for one in found if one.type.startswith(prefix)]


def test_late_answer_sends_a_notice(tmp_path: Path) -> None:
    notify = Notify(command="cat > .told; mv -n .told told", after=timedelta(milliseconds=50))
    opened = project_in(tmp_path, notify)
    file = opened.root / "told"
    opened = adjusted(opened, parts=CustomParts(interviewer=Slow(file)))
    result = begin(opened, HANDED_IN)
    assert result.completed == ("start", "gate")
    record = json.loads(file.read_text())
    assert (record["parked"], record["question"]["id"]) == (False, "gate@1.1")


def test_no_secret_goes_along(tmp_path: Path) -> None:
    notify = Notify(command=f"cat > told; env > variables; echo {SECRET} >&2; exit 1")
    opened = adjusted(
        project_in(tmp_path, notify, MY_TOKEN=SECRET), runs_dir=tmp_path / SECRET / "runs"
    )
    result = begin(opened)
    assert result.status == AWAITING_ANSWER
    for name in ("told", "variables"):
        assert SECRET not in (opened.root / name).read_text()
    assert "/***/runs/" in json.loads((opened.root / "told").read_text())["directory"]
    [failed] = events(result, "NotificationFailed")
    assert failed.data["error"] == "exit code 1: ***"


def test_address_in_a_file_of_another_format_is_not_used(tmp_path: Path) -> None:
    opened, run = project_in(tmp_path, KEEPS), tmp_path / "runs" / "1"
    note_address(opened, "http://127.0.0.1:8000")
    file = opened.machine.state_dir / ADDRESS
    assert address_of(opened, run) == "http://127.0.0.1:8000/runs/1"
    written = json.loads(file.read_bytes())
    for other in ({**written, "format": 2}, written["servers"]):
        file.write_text(json.dumps(other))
        assert address_of(opened, run) == ""
    note_address(opened, "http://127.0.0.1:8000")
    assert json.loads(file.read_bytes()) == written


def test_address_is_not_printed(tmp_path: Path) -> None:
    address = "http://127.0.0.1:1/hooks/of-the-chat"
    result = begin(project_in(tmp_path, Notify(url=address)))
    [failed] = events(result, "NotificationFailed")
    assert failed.data["messenger"] == "url"
    assert "of-the-chat" not in (result.directory / "events.jsonl").read_text()


def test_each_messenger_is_used_independently(tmp_path: Path) -> None:
    opened = project_in(tmp_path, Notify(command="touch told", url="http://127.0.0.1:1/"))
    result = begin(opened)
    ended = [(one.type, one.data["messenger"]) for one in events(result, "Notification")[1:]]
    assert sorted(ended) == [("NotificationCompleted", "command"), ("NotificationFailed", "url")]
    assert (opened.root / "told").exists()


def test_no_notice_without_settings(tmp_path: Path) -> None:
    assert events(begin(project_in(tmp_path)), "Notification") == []


def test_canceled_notifier_sends_no_notice(tmp_path: Path) -> None:
    opened = project_in(tmp_path, Notify(command="touch begun; sleep 60; touch late"))
    begun = opened.root / "begun"
    options = simulated(opened.root, workspace="none", interviewer="park")

    async def cut_off() -> None:
        walking = asyncio.create_task(start(options, opened))
        await until(begun.exists)
        walking.cancel()
        await asyncio.wait([walking], timeout=PATIENCE_S)
        assert walking.cancelled()

    asyncio.run(cut_off())
    [journal] = opened.runs_dir.glob("*/events.jsonl")
    assert '"it was interrupted"' in journal.read_text()
    assert not (opened.root / "late").exists()


def test_url_messenger_is_imported_only_if_used() -> None:
    program = "import sys, attractor.pipeline.execute; print('urllib.request' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stdout == "False\n"


def notices_of(opened: Project) -> list[dict[str, Any]]:
    file = opened.root / "told.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


KEEPS = Notify(command="cat >> told.jsonl")
TOOL = GATE.replace('gate  [shape=hexagon, label="Is it good?"]', "gate [HERE]")
DONE = TOOL.replace("HERE", 'shape=parallelogram, tool_command="true"')
BROKEN = TOOL.replace("HERE", 'shape=parallelogram, tool_command="echo too bad; exit 3"')
SPENT = (
    TOOL.replace("HERE", 'shape=parallelogram, tool_command="sleep 0.2"')
    .replace(
        "start -> gate", "more [shape=parallelogram, tool_command=true]; start -> gate -> more"
    )
    .replace("gate -> exit", "more -> exit")
)


@table(
    ("graph", "kind", "words", "command"),
    [
        (GATE, "question", "Is it good?", "attractor answer RUN --question gate@1.1"),
        (DONE, "done", "completed", "attractor status RUN"),
        (BROKEN, "failed", "too bad", "attractor diagnose RUN"),
        (SPENT, "budget", "max_duration", "attractor resume RUN --max-duration 1s"),
    ],
)
def test_each_end_of_a_run_is_notified_once_with_command_and_address(
    tmp_path: Path, graph: str, kind: str, words: str, command: str
) -> None:
    opened = project_in(tmp_path / kind, KEEPS)
    (opened.root / "pipeline.dot").write_text(graph)
    note_address(opened, "http://127.0.0.1:8000")
    budgets = Budgets(duration=timedelta(seconds=0.1)) if kind == "budget" else Budgets()
    options = simulated(opened.root, workspace="none", interviewer="park", budgets=budgets)
    result = asyncio.run(asyncio.wait_for(start(options, opened), PATIENCE_S))
    [notice] = notices_of(opened)
    run = result.directory
    assert (notice["kind"], notice["command"]) == (kind, command.replace("RUN", run.name))
    assert words in notice["text"]
    needs = {"question": f"question:{run.name}:gate@1.1", "budget": f"limit:{run.name}:"}
    page = f"attention?row={quote(needs[kind], safe='')}" if kind in needs else f"runs/{run.name}"
    assert notice["address"].startswith(f"http://127.0.0.1:8000/{page}")
    if not result.status.is_final and kind != "done":
        asyncio.run(asyncio.wait_for(resume(run, opened), PATIENCE_S))
        assert [one["kind"] for one in notices_of(opened)] == [kind]


def test_notice_of_a_sender_that_was_killed_is_not_sent_again_with_the_next(tmp_path: Path) -> None:
    kill = "test -e killed || { touch killed; kill -9 $PPID; }"
    notify = Notify(command=f"cat >> told; {kill}", folder=tmp_path)
    code = f"""
import asyncio
from pathlib import Path, PosixPath
import datetime
from attractor.base.clock import SystemClock
from attractor.pipeline.notifications import send_notice
from attractor.pipeline.project.project import Notify
place = Path({str(tmp_path)!r})
asyncio.run(send_notice({{"kind": "question"}}, {notify!r}, state_dir=place, clock=SystemClock()))
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False, timeout=PATIENCE_S)
    assert killed.returncode == -signal.SIGKILL
    sending = send_notice({"kind": "done"}, notify, state_dir=tmp_path, clock=SystemClock())
    assert asyncio.run(sending) == {"command": ""}
    told = (tmp_path / "told").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in told] == ["question", "done"]


def test_ten_runs_at_once_are_one_notice(tmp_path: Path) -> None:
    opened = project_in(tmp_path, KEEPS)
    (opened.root / "pipeline.dot").write_text(DONE)
    options = simulated(opened.root, workspace="none")

    async def run_all() -> None:
        await asyncio.gather(*(start(options, opened) for _ in range(10)))

    asyncio.run(asyncio.wait_for(run_all(), PATIENCE_S))
    [notice] = notices_of(opened)
    assert (notice["kind"], notice["title"]) == ("several", "10 notices: 10 done")
    assert len({one["run_id"] for one in notice["notices"]}) == 10
    journals = [one.read_text() for one in opened.runs_dir.glob("*/events.jsonl")]
    assert all(one.count('"NotificationCompleted"') == 1 for one in journals)


def test_runs_that_fail_for_one_cause_within_an_hour_are_one_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "GATHER_S", 0.01)
    opened = project_in(tmp_path, KEEPS)
    known = opened.machine.state_dir / "notices" / "causes.json"

    def run(status: int, notify: Notify = KEEPS) -> int:
        """Return the number of notices after a run that fails with a status."""
        (opened.root / "pipeline.dot").write_text(BROKEN.replace("exit 3", f"exit {status}"))
        begin(adjusted(opened, notify=replace(opened.notify, command=notify.command)))
        return len(notices_of(opened))

    # A notice that no messenger took is none.
    assert run(3, Notify(command="exit 1")) == 0
    assert [run(3), run(3), run(4), run(3)] == [1, 1, 2, 2]
    [*times] = json.loads(known.read_bytes()).values()
    assert len(times) == 2
    long_ago = (datetime.now(UTC) - timedelta(minutes=61)).isoformat()
    known.write_text(known.read_text().replace(min(times), long_ago))
    assert [run(3), run(4)] == [3, 3]


def test_runs_that_fail_at_once_for_one_cause_are_one_notice(tmp_path: Path) -> None:
    opened = project_in(tmp_path, KEEPS)
    (opened.root / "pipeline.dot").write_text(BROKEN)
    options = simulated(opened.root, workspace="none")

    async def run_all() -> None:
        await asyncio.gather(*(start(options, opened) for _ in range(3)))

    asyncio.run(asyncio.wait_for(run_all(), PATIENCE_S))
    assert [one["kind"] for one in notices_of(opened)] == ["failed"]


@pytest.mark.parametrize("asked", [False, True])
def test_ends_of_children_are_notified_only_if_asked(tmp_path: Path, asked: bool) -> None:
    opened = project_in(tmp_path, replace(KEEPS, children=asked))
    (opened.root / "inner.dot").write_text(DONE.replace("digraph gate", "digraph inner"))
    (opened.root / "pipeline.dot").write_text(
        TOOL.replace("HERE", 'type=pipeline, file="inner.dot"')
    )
    options = simulated(opened.root, workspace="none")
    result = asyncio.run(asyncio.wait_for(start(options, opened), PATIENCE_S))
    pipelines = [one["pipeline"] for one in notices_of(opened)]
    assert pipelines == (["inner", "gate"] if asked else ["gate"])
    assert result.outcome


def test_wait_for_a_limit_is_notified() -> None:
    data: dict[str, Json] = {"status": "waiting", "phase": "", "reason": "resets 3:10am"}
    event = Event(run_id="R", seq=1, time=datetime.now(UTC), type="RunStatusChanged", data=data)
    assert limit_in(event) == ""
    for reason, words in (("limit", "resets 3:10am"), ("timer", "")):
        assert limit_in(replace(event, data={**data, "wait": {"reason": reason}})) == words


DESKTOP = 'notify-send "$NOTIFY_TITLE" "$NOTIFY_TEXT"'


def test_documented_examples_reach_a_desktop_and_a_phone(tmp_path: Path) -> None:
    """`notify-send` is a script here, and the server renders templates as ntfy does."""
    page = Path("docs/how-to/human-gates.md").read_text()
    assert f"command = '{DESKTOP}'" in page
    [address] = re.findall(r'url = "https://ntfy.example(.*)"', page)
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "notify-send"
    script.write_text(f'#!/bin/sh\nprintf "%s|%s" "$1" "$2" > {tmp_path}/shown\n')
    script.chmod(0o755)
    with ntfy() as (port, messages):
        notify = Notify(command=DESKTOP, url=f"http://127.0.0.1:{port}{address}")
        opened = project_in(tmp_path, notify, PATH=f"{tmp_path}/bin:/usr/local/bin:/usr/bin:/bin")
        (opened.root / "pipeline.dot").write_text(BROKEN)
        begin(opened)
    text = "tool_command ended with exit code 3: too bad"
    assert (tmp_path / "shown").read_text() == f"gate: failed|{text}"
    assert messages == [("gate: failed", text)]


@contextmanager
def ntfy() -> Generator[tuple[int, list[tuple[str, str]]]]:
    messages: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            query = parse_qs(urlsplit(self.path).query)
            assert query["template"] == ["yes"]
            title, text = (
                re.sub(r"\{\{\.(\w+)\}\}", lambda found: body[found[1]], query[name][0])
                for name in ("title", "message")
            )
            messages.append((title, text))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        yield server.server_port, messages
    finally:
        server.shutdown()
        server.server_close()
        serving.join(PATIENCE_S)
