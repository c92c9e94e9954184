"""Writes the notices of a run, and sends each notice with the configured messengers."""

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
from attractor.engine.interviews import AnswerListener
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
from attractor.engine.truncation import shorten
from attractor.pipeline.host.run_host import Notify, RunHost
from attractor.pipeline.runs.lookup import reference_of
from attractor.pipeline.runs.open_work import answer_command

PREFIX = "NOTIFY_"
"""The prefix of the variables that a command gets."""


class Messenger(Protocol):
    """A way to notify people; each file of `messengers` has one."""

    async def __call__(self, notice: JsonObject, notify: Notify) -> str:
        """Send a notice, and return the error, or an empty text on success."""
        ...


def messengers() -> Registry[Messenger]:
    """Return the messengers by name."""
    return Registry("attractor.pipeline.messengers", Messenger, noun="messenger")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """An open question; `reference` names the run in commands."""

    run_id: str
    pipeline: str
    directory: Path
    reference: str
    question: Question
    branch: str = ""
    is_parked: bool = False

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record that is sent."""
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
    """Return the short fields of a notice as variables: `NOTIFY_RUN_ID`, `NOTIFY_QUESTION`, ..."""
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


def encode_notice(notice: JsonObject) -> bytes:
    """Return the JSON of a notice as one line of ASCII, for a command or a URL."""
    return json.dumps(notice).encode("ascii") + b"\n"


def _choice(choice: Json) -> str:
    match choice:
        case {"key": str(key), "label": str(label)}:
            return f"{key}\t{label}"
        case _:
            return ""


STARTED = "NotificationStarted"
"""The event before a notification is sent, which prevents sending the notification twice."""

COMPLETED = "NotificationCompleted"

FAILED = "NotificationFailed"

LONGEST_FAULT = 300


class Notifier:
    """Notifies people of the questions of a run, its parallel branches and its child runs."""

    def __init__(self, run: OpenRun, host: RunHost) -> None:
        self._run = run
        self._host = host
        self._notify = host.notify
        address = self._notify.url
        # The address of a chat is a secret: everyone who knows it may write there.
        self._redactor = Redactor([address, urlsplit(address).path])
        self._sent: set[str] | None = None
        self._sending: set[asyncio.Task[None]] = set()

    def wrap(self, interviewer: Interviewer) -> Interviewer:
        """Return an interviewer that also sends notices of the questions that it asks."""
        return _NotifyingInterviewer(interviewer, self) if self._notify.messengers else interviewer

    def now(self, question: Question, *, is_parked: bool) -> None:
        """Immediately send a notice of the question, unless it has already been sent."""
        task = asyncio.create_task(self._send(question, is_parked))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def send_later(self, question: Question) -> "asyncio.Task[None]":
        """Send a notice after a delay, unless the returned task is canceled."""
        return asyncio.create_task(self._send_after_delay(question))

    async def finish(self) -> None:
        """Wait until all notices are sent, and accept answers that arrived meanwhile."""
        while self._sending:
            await asyncio.wait(self._sending)
        run = self._run
        # A person may have answered by now, and no process reads the inbox later.
        if run.state.status == AWAITING_ANSWER and run.take_orders():
            if run.state.canceled:
                end_run(run)
            run.write_run()

    async def cancel_unsent(self) -> None:
        """Cancel the notices that are not sent yet."""
        sending = list(self._sending)
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)

    async def _send_after_delay(self, question: Question) -> None:
        await self._run.clock.sleep(self._notify.after)
        self.now(question, is_parked=False)

    async def _send(self, question: Question, is_parked: bool) -> None:
        # The run stops without this code if its journal cannot be written.
        with suppress(AttractorError):
            if question.id in self._sent_before():
                return
            self._sent_before().add(question.id)
            place = self._place(question)
            names = list(self._notify.messengers)
            data: JsonObject = {"question": question.id, "messengers": [*names]}
            self._run.emit(STARTED, data, place=place, sync=True)
            notice = self._notice(question, place, is_parked)
            await asyncio.gather(*(self._send_by(name, notice, place) for name in names))

    async def _send_by(self, name: str, notice: Notice, place: StageReference) -> None:
        fault, started = "it was interrupted", self._run.clock.monotonic()
        try:
            record = self._run.redactor.members(notice.to_record())
            fault = await messengers()[name](record, self._notify)
        except AttractorError as error:
            fault = str(error)
        finally:
            seconds = round(self._run.clock.monotonic() - started, 3)
            data = {"question": notice.question.id, "messenger": name, "duration": seconds}
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

    def _sent_before(self) -> set[str]:
        """Return the questions for which a notice was sent, also by an earlier process."""
        if self._sent is None:
            self._sent = _questions_sent(self._run)
        return self._sent


@asynccontextmanager
async def notifying(run: OpenRun, host: RunHost) -> AsyncGenerator[Notifier]:
    """Send notices of the questions of a run; at the end, wait until all notices are sent."""
    notifier = Notifier(run, host)
    try:
        yield notifier
        await notifier.finish()
    finally:
        await notifier.cancel_unsent()


@dataclass(frozen=True)
class _NotifyingInterviewer:
    """An interviewer that sends notices of questions that wait for a long time."""

    asking: Interviewer
    notifier: Notifier

    async def ask(self, question: Question) -> Answer:
        """Ask a question; if it is parked, send a notice without a delay."""
        waiting = self.notifier.send_later(question)
        try:
            return await self.asking.ask(question)
        except Parked:
            self.notifier.now(question, is_parked=True)
            raise
        finally:
            waiting.cancel()

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask one question after the other."""
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        """Pass the message to the interviewer."""
        await self.asking.inform(message, stage)

    def note_answer(self, question: Question, answer: Answer) -> None:
        """Pass on an answer from another interviewer."""
        if isinstance(self.asking, AnswerListener):
            self.asking.note_answer(question, answer)


def _questions_sent(run: OpenRun) -> set[str]:
    sent: set[str] = set()
    for line in read_lines(run.directory.events):
        # Few lines are parsed, because a journal may be long.
        if STARTED.encode() not in line.content:
            continue
        record = parse_json(line.content)
        if isinstance(record, dict) and record.get("type") == STARTED:
            sent.add(str(Event.from_record(record).data.get("question")))
    return sent
