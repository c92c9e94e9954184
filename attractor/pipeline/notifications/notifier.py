"""Composes the notices of a run and sends them by the messengers of its settings."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.base.json import Json, JsonObject, parse_json
from attractor.base.registry import Registry
from attractor.engine.context import shorten
from attractor.engine.interviews import Overhears
from attractor.engine.questions.question import (
    Answer,
    Interviewer,
    Question,
    ask_each,
    branch_of,
    choices_of,
    describe_branches,
    question_to_record,
)
from attractor.engine.run_folder.open_run import OpenRun, end_run
from attractor.engine.seams import Parked
from attractor.engine.state.attempts import StageReference
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.engine.state.walks import find_asker
from attractor.engine.storage.secrets import Redactor
from attractor.pipeline.host.run_host import Notify, RunHost
from attractor.pipeline.runs.lookup import reference_of
from attractor.pipeline.runs.open_work import answer_command

PREFIX = "NOTIFY_"
"""What the variables of a command begin with."""


class Messenger(Protocol):
    """A way to tell people; a file of `messengers` is one."""

    async def __call__(self, notice: JsonObject, notify: Notify) -> str:
        """Tell them, and return what went wrong, if anything did."""
        ...


def messengers() -> Registry[Messenger]:
    """Return the messengers by name."""
    return Registry("attractor.pipeline.messengers", Messenger, noun="messenger")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A question that waits; `reference` is what names the run in a command."""

    run_id: str
    pipeline: str
    directory: Path
    reference: str
    question: Question
    branch: str = ""
    is_parked: bool = False

    def to_record(self) -> dict[str, Json]:
        """Return it as it is sent."""
        asked = question_to_record(self.question)
        return {
            "run_id": self.run_id,
            "pipeline": self.pipeline,
            "directory": str(self.directory),
            "node": self.question.stage,
            "branch": branch_of(self.question) or self.branch,
            "where": "; ".join(describe_branches(self.question)),
            "question": asked,
            "parked": self.is_parked,
            "choices": [
                {"key": one.key, "label": one.label, "command": self._command(one.key)}
                for one in choices_of(self.question)
            ],
            "answer": self._command(""),
        }

    def _command(self, said: str) -> str:
        return answer_command(self.reference, said, question=self.question.id)


def variables_of(notice: JsonObject) -> dict[str, str]:
    """Return what is short of a notice as variables: `NOTIFY_RUN_ID`, `NOTIFY_QUESTION`, ..."""
    plain = {name: value for name, value in notice.items() if isinstance(value, str)}
    match notice:
        case {"question": {"id": str(id_), "text": str(text), "deadline": str(deadline)}}:
            plain |= {"question": text, "question_id": id_, "deadline": deadline}
        case _:
            pass
    match notice.get("choices"):
        case [*choices]:
            plain["choices"] = "\n".join(map(_choice, choices))
        case _:
            pass
    plain["parked"] = "true" if notice.get("parked") else "false"
    return {f"{PREFIX}{name.upper()}": value.replace("\0", "") for name, value in plain.items()}


def sent_bytes(notice: JsonObject) -> bytes:
    """Return a notice as a command reads it and an address is sent it: a line of plain ASCII."""
    return json.dumps(notice).encode("ascii") + b"\n"


def _choice(choice: Json) -> str:
    match choice:
        case {"key": str(key), "label": str(label)}:
            return f"{key}\t{label}"
        case _:
            return ""


STARTED = "NotificationStarted"
"""The event before a notification is sent, so that it is not sent twice."""


COMPLETED = "NotificationCompleted"


FAILED = "NotificationFailed"


LONGEST_FAULT = 300


class Notifier:
    """Notifies people of the questions of a run, its branches and its children."""

    def __init__(self, run: OpenRun, host: RunHost) -> None:
        self._run = run
        self._host = host
        self._notify = host.notify
        address = self._notify.url
        # An address of a chat is a secret: whoever knows it may write there.
        self._redactor = Redactor([address, urlsplit(address).path])
        self._told: set[str] | None = None
        self._telling: set[asyncio.Task[None]] = set()

    def beside(self, interviewer: Interviewer) -> Interviewer:
        """Return an interviewer that also notifies people of its questions."""
        return _NotifiedOf(interviewer, self) if self._notify.ways else interviewer

    def now(self, question: Question, *, is_parked: bool) -> None:
        """Start to notify people of a question, unless that was done before."""
        task = asyncio.create_task(self._tell(question, is_parked))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def soon(self, question: Question) -> "asyncio.Task[None]":
        """Notify people after a delay, unless the returned task is cancelled."""
        return asyncio.create_task(self._later(question))

    async def settle(self) -> None:
        """Wait until every notification was sent, and take answers that came meanwhile."""
        while self._telling:
            await asyncio.wait(self._telling)
        run = self._run
        # A person may have answered by now, and no runner reads the inbox later.
        if run.state.status == AWAITING_ANSWER and run.take_orders():
            if run.state.canceled:
                end_run(run)
            run.write_run()

    async def give_up(self) -> None:
        """Cancel the notifications that are not sent yet."""
        telling = list(self._telling)
        for task in telling:
            task.cancel()
        await asyncio.gather(*telling, return_exceptions=True)

    async def _later(self, question: Question) -> None:
        await self._run.clock.sleep(self._notify.after)
        self.now(question, is_parked=False)

    async def _tell(self, question: Question, is_parked: bool) -> None:
        # A journal that takes nothing more stops the run without us.
        with suppress(AttractorError):
            if question.id in self._told_before():
                return
            self._told_before().add(question.id)
            place = self._place(question)
            ways = list(self._notify.ways)
            data: JsonObject = {"question": question.id, "ways": [*ways]}
            self._run.emit(STARTED, data, place=place, sync=True)
            notice = self._notice(question, place, is_parked)
            await asyncio.gather(*(self._tell_by(way, notice, place) for way in ways))

    async def _tell_by(self, way: str, notice: Notice, place: StageReference) -> None:
        fault, started = "it was interrupted", self._run.clock.monotonic()
        try:
            record = self._run.redactor.members(notice.to_record())
            fault = await messengers()[way](record, self._notify)
        except AttractorError as error:
            fault = str(error)
        finally:
            seconds = round(self._run.clock.monotonic() - started, 3)
            data = {"question": notice.question.id, "way": way, "duration": seconds}
            if fault:
                words = shorten(self._redactor.text(fault), LONGEST_FAULT)
                self._run.emit(FAILED, {**data, "error": words}, place=place)
            else:
                self._run.emit(COMPLETED, data, place=place)

    def _notice(self, question: Question, place: StageReference, is_parked: bool) -> Notice:
        root = self._run.directory.root
        return Notice(
            run_id=self._run.manifest.run_id,
            pipeline=self._run.manifest.pipeline,
            directory=root,
            reference=reference_of(root, self._host.runs_dir),
            question=question,
            branch=place.branch or "",
            is_parked=is_parked,
        )

    def _place(self, question: Question) -> StageReference:
        found = find_asker(self._run.state.walks, question.id)
        if found is None:
            return StageReference(question.stage)
        key, flight = found
        return StageReference(flight.node, flight.visit, flight.attempt, key or None)

    def _told_before(self) -> set[str]:
        """Return the questions with a notification, also by an earlier runner."""
        if self._told is None:
            self._told = _told_in(self._run)
        return self._told


@asynccontextmanager
async def notifying(run: OpenRun, host: RunHost) -> AsyncGenerator[Notifier]:
    """Notify people of questions of a run; at the end, wait until that is done."""
    notifier = Notifier(run, host)
    try:
        yield notifier
        await notifier.settle()
    finally:
        await notifier.give_up()


@dataclass(frozen=True)
class _NotifiedOf:
    """An interviewer that notifies people of questions that wait for long."""

    asking: Interviewer
    notifier: Notifier

    async def ask(self, question: Question) -> Answer:
        """Ask a question; if it is parked, notify people at once."""
        waiting = self.notifier.soon(question)
        try:
            return await self.asking.ask(question)
        except Parked:
            self.notifier.now(question, is_parked=True)
            raise
        finally:
            waiting.cancel()

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask one after the other."""
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        """Pass a message on."""
        await self.asking.inform(message, stage)

    def overhear(self, question: Question, answer: Answer) -> None:
        """Pass on what was answered by somebody else."""
        if isinstance(self.asking, Overhears):
            self.asking.overhear(question, answer)


def _told_in(run: OpenRun) -> set[str]:
    told: set[str] = set()
    for line in read_lines(run.directory.events):
        # Of a long journal only these few lines are read.
        if STARTED.encode() not in line.content:
            continue
        record = parse_json(line.content)
        if isinstance(record, dict) and record.get("type") == STARTED:
            told.add(str(Event.from_record(record).data.get("question")))
    return told
