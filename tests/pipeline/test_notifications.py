"""Notifications: delay, parked questions, errors and redaction."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from attractor.base.events import Event
from attractor.engine.questions.question import Answer, AnswerKind, Question, ask_each
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.environments.environment import inherited
from attractor.pipeline.host.run_host import HANDED_IN, CustomParts, Notify, RunHost
from attractor.pipeline.request import WorkspaceKind
from attractor.pipeline.start import start
from tests.pipeline.projects import make_host, make_project, simulated

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
        while not self._file.exists():
            await asyncio.sleep(0.01)
        return Answer(AnswerKind.GIVEN, "Y", by="slow")

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None: ...

    def note_answer(self, question: Question, answer: Answer) -> None:
        self.overheard.append(answer.value)


def begin(host: RunHost, interviewer: str = "park") -> RunResult:
    options = simulated(host.project, workspace=WorkspaceKind.NONE, interviewer=interviewer)
    return asyncio.run(asyncio.wait_for(start(options, host), 60))


SILENT = Notify()


def host_in(folder: Path, notify: Notify = SILENT, **environ: str) -> RunHost:
    host = make_host(make_project(folder / "project", GATE))
    variables = {**host.environ, **environ}
    notify = replace(notify, folder=host.project, variables=inherited(variables))
    return replace(host, environ=variables, notify=notify)


def events(result: RunResult, prefix: str) -> Sequence[Event]:
    lines = (result.directory / "events.jsonl").read_text().splitlines()
    found = [Event.from_record(json.loads(line)) for line in lines]
    return [one for one in found if one.type.startswith(prefix)]


def test_late_answer_sends_a_notice(tmp_path: Path) -> None:
    notify = Notify(command="cat > .told; mv .told told", after=timedelta(milliseconds=50))
    host = host_in(tmp_path, notify)
    told = host.project / "told"
    host = replace(host, custom_parts=CustomParts(interviewer=Slow(told)))
    result = begin(host, HANDED_IN)
    assert result.completed == ("start", "gate")
    record = json.loads(told.read_text())
    assert (record["parked"], record["question"]["id"]) == (False, "gate@1.1")


def test_no_secret_goes_along(tmp_path: Path) -> None:
    notify = Notify(command=f"cat > told; env > variables; echo {SECRET} >&2; exit 1")
    host = replace(host_in(tmp_path, notify, MY_TOKEN=SECRET), runs_dir=tmp_path / SECRET / "runs")
    result = begin(host)
    assert result.status == AWAITING_ANSWER
    for name in ("told", "variables"):
        assert SECRET not in (host.project / name).read_text()
    assert "/***/runs/" in json.loads((host.project / "told").read_text())["directory"]
    [failed] = events(result, "NotificationFailed")
    assert failed.data["error"] == "exit code 1: ***"


def test_address_is_not_printed(tmp_path: Path) -> None:
    address = "http://127.0.0.1:1/hooks/of-the-chat"
    result = begin(host_in(tmp_path, Notify(url=address)))
    [failed] = events(result, "NotificationFailed")
    assert failed.data["messenger"] == "url"
    assert "of-the-chat" not in (result.directory / "events.jsonl").read_text()


def test_each_messenger_is_used_independently(tmp_path: Path) -> None:
    host = host_in(tmp_path, Notify(command="touch told", url="http://127.0.0.1:1/"))
    result = begin(host)
    ended = [(one.type, one.data["messenger"]) for one in events(result, "Notification")[1:]]
    assert sorted(ended) == [("NotificationCompleted", "command"), ("NotificationFailed", "url")]
    assert (host.project / "told").exists()


def test_no_notice_without_settings(tmp_path: Path) -> None:
    assert events(begin(host_in(tmp_path)), "Notification") == []


def test_canceled_notifier_sends_no_notice(tmp_path: Path) -> None:
    host = host_in(tmp_path, Notify(command="touch begun; sleep 60; touch late"))
    begun = host.project / "begun"
    options = simulated(host.project, workspace=WorkspaceKind.NONE, interviewer="park")

    async def cut_off() -> None:
        walking = asyncio.create_task(start(options, host))
        while not begun.exists():
            await asyncio.sleep(0.01)
        walking.cancel()
        await asyncio.wait([walking], timeout=60)
        assert walking.cancelled()

    asyncio.run(cut_off())
    [journal] = host.runs_dir.glob("*/events.jsonl")
    assert '"it was interrupted"' in journal.read_text()
    assert not (host.project / "late").exists()


def test_url_messenger_is_imported_only_if_used() -> None:
    program = "import sys, attractor.pipeline.start; print('urllib.request' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "False\n"
