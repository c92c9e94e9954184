"""Writes the notices of runs and apps, and sends them with the configured messengers.

A notice waits a moment for others, of any process of the state folder: those that come together
are sent as one.
"""

import asyncio
import json
import os
import re
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from attractor.base.broadcast import Missed
from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.events import Event
from attractor.base.files import is_running, write_whole
from attractor.base.journal import read_lines
from attractor.base.json import (
    Json,
    JsonObject,
    canonical_json,
    content_hash,
    parse_json,
    parse_object,
)
from attractor.base.locks import FileLock
from attractor.base.registry import Registry
from attractor.engine.interviews import AnswerListener
from attractor.engine.journal.events import RunStatusChanged
from attractor.engine.questions.question import (
    Answer,
    Interviewer,
    Question,
    ask_each,
    describe_branches,
    question_to_record,
)
from attractor.engine.run_folder.layout import LOCK_WAIT_S, RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import OpenRun, end_run
from attractor.engine.seams import Parked
from attractor.engine.state.attempts import NO_PLACE, StageReference
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.engine.state.walks import Walks, find_asker
from attractor.engine.storage.secrets import Redactor
from attractor.engine.truncation import shorten
from attractor.pipeline.project.machine import Machine
from attractor.pipeline.project.project import Notify, Project
from attractor.records.diagnosis.needs import RunNeed, need_of_question, row_of_answer
from attractor.records.lookup import reference_of
from attractor.records.open_work import question_records
from attractor.records.request import read_request


class NoticeKind(StrEnum):
    """The event that a notice is about."""

    QUESTION = "question"
    DECISION = "decision"
    DONE = "done"
    FAILED = "failed"
    BUDGET = "budget"
    LIMIT = "limit"
    APP = "app"
    SEVERAL = "several"


_NEEDS = (NoticeKind.QUESTION, NoticeKind.DECISION, NoticeKind.BUDGET)
"""The kinds about what is a row of attention, also without an actor."""

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

_STATUS = RunStatusChanged.__name__

COMPLETED = "NotificationCompleted"

FAILED = "NotificationFailed"

LONGEST_FAULT = 300


GATHER_S = 2.0
"""The time in which no other notice may come, before notices are sent."""

_MOST_GATHERED = 5
"""The maximum number of such times that notices wait for others."""

_STALE_S = 3600.0
"""The age at which a notice of a process that died is dropped."""

QUEUE = "notices"
"""The folder below the state folder with notices to send, and with notified causes."""

_SENT = ".sent"

_SENDING = ".sending"
"""The suffix of notices that are being sent. Others do not send them again after a kill, because
people may have them."""


async def send_notice(
    notice: Mapping[str, Json], notify: Notify, *, state_dir: Path, clock: Clock
) -> dict[str, str]:
    """Send a notice, with those of other processes that come meanwhile; return the fault of each
    messenger, or an empty text.

    The processes share a folder. The first one that gets its lock sends all notices in it.
    """
    target = f"{notify.folder}\0{notify.command}\0{notify.url}"
    folder = state_dir / QUEUE / content_hash(target.encode())[:16]
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    own = folder / f"{uuid.uuid4().hex}.json"
    sent, sending = own.with_suffix(_SENT), own.with_suffix(_SENDING)
    try:
        await asyncio.to_thread(write_whole, own, canonical_json(notice), mode=0o600)
        seen: set[Path] = set()
        for _ in range(_MOST_GATHERED):
            await clock.sleep(timedelta(seconds=GATHER_S))
            before, seen = seen, set(folder.glob("*.json"))
            if not seen - before - {own} or own not in seen:
                break
        lock = FileLock(folder / "lock")
        wait = 2 * notify.time_limit.total_seconds()
        await asyncio.to_thread(lock.acquire, wait=wait, purpose="send notices")
        with lock:
            if sending.exists():
                # The process that sent it was killed.
                sending.replace(own)
            if own.exists():
                return await _send_all(folder, own, notify)
        return _faults_in(sent)
    finally:
        for file in (own, sending, sent):
            file.unlink(missing_ok=True)


async def _send_all(folder: Path, own: Path, notify: Notify) -> dict[str, str]:
    """Send all notices in a folder as one, and leave the faults to the other processes."""
    oldest = own.stat().st_mtime - _STALE_S
    files = sorted(folder.glob("*.json"), key=lambda file: (file.stat().st_mtime, file.name))
    fresh = [file for file in files if file.stat().st_mtime >= oldest]
    found = [record for file in fresh if (record := parse_object(file.read_bytes()))]
    record = found[0] if len(found) == 1 else combine(found)
    for file in files:
        file.replace(file.with_suffix(_SENDING))
    names = notify.messengers
    faults = await asyncio.gather(*(_send_by(name, record, notify) for name in names))
    by_name = dict(zip(names, faults, strict=True))
    for file in files:
        if file != own:
            write_whole(file.with_suffix(_SENT), canonical_json({**by_name}), mode=0o600)
        file.with_suffix(_SENDING).unlink(missing_ok=True)
    for left in folder.glob(f"*{_SENDING}"):
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < oldest:
                left.unlink()
    return by_name


async def _send_by(name: str, record: JsonObject, notify: Notify) -> str:
    try:
        return await messengers()[name](record, notify)
    except AttractorError as error:
        return str(error)


def _faults_in(sent: Path) -> dict[str, str]:
    record = parse_object(sent.read_bytes()) if sent.exists() else None
    return {name: str(fault) for name, fault in (record or {}).items()}


def combine(notices: Sequence[JsonObject]) -> JsonObject:
    """Return one notice for several."""
    kinds = Counter(str(notice.get("kind")) for notice in notices)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    lines = [f"{notice.get('title')}: {notice.get('text')}" for notice in notices]
    needs = [notice for notice in notices if notice.get("kind") in _NEEDS] or notices
    addresses = [str(one.get("address")) for one in needs if one.get("address")]
    return {
        "kind": NoticeKind.SEVERAL.value,
        "title": f"{len(notices)} notices: {counts}",
        "text": "\n".join(lines),
        "command": "attractor runs" if needs is notices else "attractor attention",
        "address": re.sub(r"[/?][^/?]*$", "", addresses[0]) if addresses else "",
        "notices": [dict(notice) for notice in notices],
    }


class Notifier:
    """Notifies people of the questions and the end of a run, its branches and its child runs."""

    def __init__(self, run: OpenRun, project: Project) -> None:
        self._run = run
        self._project = project
        self._notify = project.notify
        address = self._notify.url
        # The address of a chat is a secret: everyone who knows it may write there.
        self._redactor = Redactor([address, urlsplit(address).path])
        self._sent: set[str] | None = None
        self._sending: set[asyncio.Task[object]] = set()

    def wrap(self, interviewer: Interviewer) -> Interviewer:
        """Return an interviewer that also sends notices of the questions that it asks."""
        return _NotifyingInterviewer(interviewer, self) if self._notify.messengers else interviewer

    def send_now(self, question: Question, *, is_parked: bool) -> None:
        """Immediately send a notice of the question, unless it has already been sent."""
        self._start(self._send(question, is_parked))

    def send_limit(self, words: str) -> None:
        """Immediately send a notice that the run waits for the limit of an account."""
        reference = reference_of(self._run.directory.root, self._project.runs_dir)
        need = RunNeed(words, f"attractor status {reference}")
        self._start(self.send_once(NoticeKind.LIMIT, need, key=words))

    def _start(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.create_task(work)
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
        self.send_now(question, is_parked=False)

    async def _send(self, question: Question, is_parked: bool) -> None:
        # The run stops without this code if its journal cannot be written.
        with suppress(AttractorError):
            if question.id in self._sent_before():
                return
            self._sent_before().add(question.id)
            place = self._place(question)
            data: JsonObject = {"question": question.id, "messengers": [*self._notify.messengers]}
            self._run.emit(STARTED, data, place=place, sync=True)
            where = (self._run.state.walks, self._run.directory.root, self._project)
            record = record_of_question(question, *where, is_parked=is_parked)
            await self._send_record(record, {"question": question.id}, place)

    async def send_once(self, kind: NoticeKind, need: RunNeed, *, key: str = "") -> bool:
        """Send a notice about the run, once for each kind and key; do nothing without settings.

        Return whether a messenger took the notice.
        """
        run, name = self._run, f"{kind}:{key}"
        if not self._notify.messengers or name in self._sent_before():
            return False
        # The run has ended, or goes on: a full disk must not change this.
        with suppress(AttractorError):
            self._sent_before().add(name)
            data: JsonObject = {"notice": name, "messengers": [*self._notify.messengers]}
            run.emit(STARTED, data, sync=True)
            record = record_of(kind, need, run.directory.root, self._project)
            return await self._send_record(record, {"notice": name}, NO_PLACE)
        return False

    async def _send_record(
        self, record: JsonObject, about: dict[str, Json], place: StageReference
    ) -> bool:
        names = self._notify.messengers
        faults, started = dict.fromkeys(names, "it was interrupted"), self._run.clock.monotonic()
        project = self._project
        try:
            redacted = self._run.redactor.members(record)
            faults |= await send_notice(
                redacted, self._notify, state_dir=project.machine.state_dir, clock=self._run.clock
            )
        except AttractorError as error:
            faults = dict.fromkeys(names, str(error))
        finally:
            seconds = round(self._run.clock.monotonic() - started, 3)
            for name, fault in faults.items():
                data = {**about, "messenger": name, "duration": seconds}
                if not fault:
                    self._run.emit(COMPLETED, data, place=place)
                    continue
                words = shorten(self._redactor.text(fault), LONGEST_FAULT)
                self._run.emit(FAILED, {**data, "error": words}, place=place)
        return not all(faults.values())

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


def record_of(kind: NoticeKind, need: RunNeed, root: Path, project: Project) -> JsonObject:
    """Return the JSON record of a notice about a need of a run, or about its end."""
    manifest = read_manifest(RunDirectory(root))
    task = read_request(manifest).task
    # What ended the run of a task is in the answer of its actor.
    has_ended = kind not in (NoticeKind.QUESTION, NoticeKind.LIMIT)
    row = row_of_answer(task.message) if task and has_ended else need.row
    return {
        "kind": kind.value,
        "title": f"{manifest.pipeline}{_TITLES[kind]}",
        "text": need.words,
        "command": need.command,
        "address": address_of(project, root, row),
        "run_id": manifest.run_id,
        "pipeline": manifest.pipeline,
        "directory": str(root),
    }


def record_of_question(
    question: Question, walks: Walks, root: Path, project: Project, *, is_parked: bool
) -> JsonObject:
    """Return the JSON record of a notice about an open question of a run."""
    reference = reference_of(root, project.runs_dir)
    need = need_of_question(read_manifest(RunDirectory(root)).run_id, question, reference)
    asked, *_ = question_records([question], reference)
    found = find_asker(walks, question.id)
    return {
        **record_of(NoticeKind.QUESTION, need, root, project),
        "node": question.stage,
        "branch": asked["branch"] or (found[0] if found else ""),
        "where": "; ".join(describe_branches(question)),
        "question": question_to_record(question),
        "parked": is_parked,
        "choices": asked["choices"],
        "answer": need.command,
    }


def limit_in(event: Event) -> str:
    """Return why a run began to wait for the limit of an account; "" for other events."""
    match event.data:
        case {"status": "waiting", "wait": {"reason": "limit"}, "reason": str(words)}:
            return words or "an account has reached its limit"
        case _:
            return ""


@asynccontextmanager
async def notifying(run: OpenRun, project: Project) -> AsyncGenerator[Notifier]:
    """Send notices of the questions and limits of a run; at the end, wait until all are sent."""
    notifier, loop = Notifier(run, project), asyncio.get_running_loop()

    def take(event: Event | Missed) -> None:
        if isinstance(event, Event) and event.type == _STATUS and (words := limit_in(event)):
            # The loop may be closed by now.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(notifier.send_limit, words)

    if project.notify.messengers:
        run.events.subscribe(take)
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
            self.notifier.send_now(question, is_parked=True)
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


_TITLES: Mapping[NoticeKind, str] = {
    NoticeKind.QUESTION: " asks",
    NoticeKind.DECISION: ": a decision is due",
    NoticeKind.DONE: ": done",
    NoticeKind.FAILED: ": failed",
    NoticeKind.BUDGET: ": stopped by its budget",
    NoticeKind.LIMIT: ": waits for an account's limit",
}

ADDRESS = Path("server", "address.json")
"""The file below the state folder with the address of the running server of each project."""

ADDRESS_FORMAT = 1
"""The format of this file; the addresses in a file of another format are not used."""


def note_address(project: Project, url: str) -> None:
    """Record the address of the server of a project, for notices."""
    file = project.machine.state_dir / ADDRESS
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")).acquire(wait=LOCK_WAIT_S):
        server: dict[str, Json] = {"url": url, "pid": os.getpid(), "project": str(project.root)}
        servers: dict[str, Json] = {**_servers(file), str(project.runs_dir): server}
        record: JsonObject = {"format": ADDRESS_FORMAT, "servers": servers}
        write_whole(file, canonical_json(record), mode=0o600)


def address_of(project: Project, root: Path, row: str = "") -> str:
    """Return the address of a row or of a run on the server of the project, or ""."""
    match _servers(project.machine.state_dir / ADDRESS).get(str(project.runs_dir)):
        case {"url": str(url), "pid": int(pid)} if is_running(pid):
            # A child run has no row of its own.
            has_row = row and root.parent == project.runs_dir
            page = f"attention?row={quote(row, safe='')}" if has_row else f"runs/{quote(root.name)}"
            return f"{url}/{page}"
        case _:
            return ""


@dataclass(frozen=True)
class NotedServer:
    """A server that noted its address: its process id and its project."""

    pid: int
    project: str


def noted_addresses(project: Project) -> list[str]:
    """Return the addresses of running servers of the state folder, that of the project first.

    They are for programs: only browsers resolve the names below `localhost`.
    """
    servers = _servers(project.machine.state_dir / ADDRESS)
    own = str(project.runs_dir)
    found = list[str]()
    for runs_dir in sorted(servers, key=lambda one: one != own):
        match servers[runs_dir]:
            case {"url": str(url), "pid": int(pid)} if is_running(pid):
                parts = urlsplit(url)
                is_own_name = (parts.hostname or "").endswith(".localhost")
                found.append(f"http://127.0.0.1:{parts.port}" if is_own_name else url)
            case _:
                pass
    return found


def find_server(machine: Machine, port: int) -> NotedServer | None:
    """Return the running server that noted a port."""
    for server in _servers(machine.state_dir / ADDRESS).values():
        match server:
            case {"url": str(url), "pid": int(pid), "project": str(project)} if urlsplit(
                url
            ).port == port and is_running(pid):
                return NotedServer(pid, project)
            case _:
                pass
    return None


def _servers(file: Path) -> JsonObject:
    try:
        found = parse_object(file.read_bytes())
    except OSError:
        return {}
    match found:
        case {"format": int(number), "servers": dict(servers)} if number == ADDRESS_FORMAT:
            return servers
        case _:
            return {}


def _questions_sent(run: OpenRun) -> set[str]:
    sent: set[str] = set()
    for line in read_lines(run.directory.events):
        # Few lines are parsed, because a journal may be long.
        if STARTED.encode() not in line.content:
            continue
        record = parse_json(line.content)
        if isinstance(record, dict) and record.get("type") == STARTED:
            data = Event.from_record(record).data
            sent.add(str(data.get("question") or data.get("notice")))
    return sent
