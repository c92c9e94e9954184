"""Runs an outside agent, such as Claude Code or codex, as a program in the environment of a stage.

The program gets the prompt with the way to report, a home folder of its own, and a URL by which it
reaches its models without the key. Its output becomes the events of the stage. The report decides
about the outcome, not the exit status.
"""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.agent.events import EventEmitter, EventKind
from attractor.agent.prompts import render_prompt
from attractor.backends.accounts import Account, AccountUse
from attractor.backends.agent_conversations import add_summary_if_lost
from attractor.backends.agent_records import Record
from attractor.backends.agent_report import VARIABLE, Reporting, StatusFile, status_file_in
from attractor.backends.approvals import continue_after_wait
from attractor.backends.limit_texts import Limit, find_limit, limit_of_answer
from attractor.backends.model_proxy import ProviderAnswer, offer_models
from attractor.backends.models import ModelChoice, account_of
from attractor.backends.outside_events import (
    NOTHING_SPENT,
    AgentText,
    CallBegun,
    OutsideTranscript,
    ProgramEvent,
    SessionNamed,
    Spent,
)
from attractor.backends.pricing import Meter, Pricing
from attractor.backends.program_needs import (
    find_missing,
    find_unmetered,
    locate,
    locate_there,
    login_for,
    needed_there,
)
from attractor.backends.programs import Dialogue, Invocation, OwnTerminal, Program, Task, open_input
from attractor.backends.provider_needs import has_native_key
from attractor.backends.registry import CLOSED, BackendParts, BuiltBackend, OutsideParts
from attractor.backends.team import offer_team
from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.errors import NotCanonical, UsageError
from attractor.base.json import Json, JsonObject, content_hash, parse_json, parse_object
from attractor.base.processes import ExecResult, OutputChunk
from attractor.engine.errors import ConversationLost, RecordBroken
from attractor.engine.journal.events import INPUT_SOUGHT, SESSION_SAVED, THREAD_CONTINUED
from attractor.engine.outcome import FailureClass, Outcome, failure
from attractor.engine.prompts.preamble import prepend_preamble
from attractor.engine.seams import Exhausted, ModelAnswer, Parked, Stage, require_summary
from attractor.engine.stage.folder import SESSION, write_tail
from attractor.engine.storage.json_files import Fields
from attractor.engine.truncation import response_updates
from attractor.engine.walk.saved_conversations import ReadSaved
from attractor.environments.environment import ExecutionEnvironment, temporary_folder
from attractor.environments.program_files import LocatedProgram
from attractor.language.diagnostics import Diagnostic
from attractor.language.graph.graph import Node
from attractor.llm.response import Usage as Tokens

if TYPE_CHECKING:
    from attractor.environments.terminal import PersonTerminal

TIME_LIMIT = timedelta(hours=1)
"""The time limit of a program, if the node sets no `timeout`."""

_QUICK_MS = 30_000
_LONGEST_MS = round(timedelta(days=365).total_seconds() * 1000)
# A person may have logged in again meanwhile.
_LOGIN_AGAIN = timedelta(minutes=1)
# Time for a program to exit after its work is done and its input is closed.
_GRACE_S = 5.0
_LONGEST_ERROR = 2_000
_LARGEST_SESSION = 64 << 20
# As base64, because a file of a stage has at most 4 MiB.
_LARGEST_SAVED = 3 << 20
_VERSION = re.compile(r"\d+(?:\.\w+)+")

_WRITE_FILE = 'mkdir -p "$(dirname "$file")" && cat > "$file"'
_PACK = '[ -e "${paths%% *}" ] && tar -czf - -- $paths 2>/dev/null | base64 -w 0'
_UNPACK = 'base64 -d | tar -C "$folder" -xzf -'


@dataclass(frozen=True)
class KeptSession:
    """The session of a program at the end of a stage, with the files that continue the session."""

    program: str
    session: str
    spent: Spent
    archive: bytes
    stages: int
    last: str
    version: str = ""

    def record(self) -> JsonObject:
        """Return the session as JSON."""
        tokens, cost = self.spent.tokens, self.spent.cost_usd
        spent: dict[str, Json] = {
            "input": tokens.input_tokens,
            "output": tokens.output_tokens,
            "cache_read": tokens.cache_read_tokens or 0,
            "cache_write": tokens.cache_write_tokens or 0,
        }
        return {
            "program": self.program,
            "session": self.session,
            "spent": spent if cost is None else {**spent, "cost_usd": cost},
            "archive": self.archive.decode(),
            "stages": self.stages,
            "version": self.version,
        }


@dataclass(frozen=True)
class _ProgramRun:
    """The work on a stage."""

    stage: Stage
    located: LocatedProgram
    parts: OutsideParts
    task: Task
    file: StatusFile
    reporting: Reporting
    transcript: OutsideTranscript

    @property
    def environment(self) -> ExecutionEnvironment:
        """The environment of the stage."""
        return self.stage.workspace.environment

    @property
    def wants_report(self) -> bool:
        """Whether the agent is asked for a report."""
        return not self.stage.node.attributes.flag("auto_status")

    @property
    def time_limit(self) -> timedelta:
        """The time limit of one process of the program."""
        return self.stage.node.attributes.duration("timeout") or TIME_LIMIT

    def how_to_report(self) -> str:
        """Return the instruction to report, with the choices of the node."""
        targets = [edge.target for edge in self.stage.graph.outgoing(self.stage.node.id)]
        labels = [*dict.fromkeys(filter(None, self.stage.labels))]
        return self._render("outside_report", labels=labels, targets=[*dict.fromkeys(targets)])

    def reminder(self) -> str:
        """Return the reminder to an agent with a missing or refused report."""
        refusals = self.reporting.refusals
        return self._render("outside_reminder", refusal=refusals[-1] if refusals else "")

    def continuation(self) -> str:
        """Return the prompt for an agent that a limit of its account interrupted."""
        return self._render("outside_continue")

    def _render(self, name: str, **values: object) -> str:
        folders = self.parts.prompt_folders
        return render_prompt(name, folders=folders, status_file=self.file.path, **values)


class LimitWatch:
    """Watches one process of a program for limits of its account.

    `is_limited` is set when the provider reports a limit, so that the process does not retry.
    """

    def __init__(self, use: AccountUse, clock: Clock) -> None:
        self._use = use
        self._clock = clock
        self._limit: Limit | None = None
        self.is_limited = asyncio.Event()

    def answered(self, answer: ProviderAnswer) -> None:
        """Take an error of the provider, as the model proxy saw it."""
        now = self._clock.now()
        if answer.is_login_lost:
            limit = Limit(answer.error, now + _LOGIN_AGAIN, is_ended_by_person=True)
        else:
            limit = limit_of_answer(answer.status, answer.headers, answer.error, now)
        if limit:
            self._limit = limit
            self.is_limited.set()

    def heard(self, event: ProgramEvent) -> None:
        """Lift the limit when the agent works; the message of a limit may look like its text."""
        match event:
            case CallBegun():
                self._use.lift_limit()
            case AgentText(text=text, is_piece=False):
                if not find_limit(text, self._clock.now(), is_whole=True):
                    self._use.lift_limit()
            case _:
                pass

    def limit_of(self, fault: str, text: str) -> Limit | None:
        """Return the limit that ended the process: by the provider, by its error, or by its text.

        A process that ended well has reached no limit, whatever its agent writes.
        """
        if self._limit or not fault:
            return self._limit
        now = self._clock.now()
        return find_limit(fault, now) or find_limit(text, now, is_whole=True)


class OutsideAgent:
    """Runs a program for each stage, and returns the outcome that its agent reports."""

    keeps_sessions = True
    """Whether a run can continue the session of another run."""

    options: Mapping[str, str] = {}
    """The options that a person may add to the command, with the patterns of their values."""

    def __init__(self, program: Program, parts: BackendParts) -> None:
        self._program = program
        self._parts, self._team = parts.outside, parts.team
        self._pricing = Pricing()
        self._at_work: dict[str, tuple[Dialogue, OutsideTranscript]] = {}
        self._version: str | None = None

    @property
    def has_terminal(self) -> bool:
        """Whether a person can work in the terminal of the program."""
        return self._program.terminal is not None

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        """Run the program with a prompt, and return the reported outcome with the usage."""
        parts = self._require_parts()
        if parts.place:
            located = await locate_there(self._program, stage.workspace.environment)
        else:
            located = locate(self._program, parts.environ)
        if located is None:
            missing = f"{self._program.name} is not on the PATH"
            if parts.place:
                missing = f"the place {parts.place} has no program {self.needed_there()[0]}"
            return failure(missing, FailureClass.TERMINAL)
        if stage.approvals and not self._program.that_asks():
            words = f"{self._program.name} cannot ask before a tool call"
            return failure(words, FailureClass.TERMINAL)

        def warn(words: str) -> None:
            stage.emit(EventKind.WARNING, message=words)

        async with AsyncExitStack() as stack:
            environment = stage.workspace.environment
            file = await stack.enter_async_context(status_file_in(environment, warn=warn))
            if file is None:
                message = f"{self._program.name} needs an environment with commands and a report"
                return failure(message, FailureClass.TERMINAL)
            reporting = Reporting(stage, file)
            live = await stack.enter_async_context(write_tail(stage.files))
            emit = EventEmitter(stage.id, stage.clock, Record(stage, reporting, live).take)
            choice = self._program.choose(stage.node, parts.defaults)
            meter = Meter(self._pricing, choice, emit)
            transcript = OutsideTranscript(
                emit, meter, stage.spending, choice, program=self._program.name
            )
            team = await stack.enter_async_context(offer_team(stage, self._team, environment))
            try:
                async with self._open_task(stage, choice, parts, transcript) as task:
                    task = replace(task, team=team)
                    transcript.version = await self._read_version(located, task, environment)
                    work = _ProgramRun(stage, located, parts, task, file, reporting, transcript)
                    outcome = await self._do(work, prompt)
            finally:
                seen: dict[str, Json] = {"models": [*transcript.models]}
                seen = seen if transcript.models else {}
                aborted = transcript.is_aborted
                emit(EventKind.SESSION_END, state="CLOSED", aborted=aborted, **seen)
        return replace(outcome, usage=transcript.total)

    def rebuild(self, last: str, read: ReadSaved) -> object:
        """Return the session that an earlier stage saved."""
        try:
            saved = Fields(parse_json(read(last, SESSION)), f"{SESSION} of {last}")
            program, spent = saved.text("program"), saved.inner("spent")
            if program != self._program.name:
                raise ConversationLost(f"{last} has a session of {program}")
            tokens = Tokens(
                spent.number("input"),
                spent.number("output"),
                cache_read_tokens=spent.number("cache_read"),
                cache_write_tokens=spent.number("cache_write"),
            )
            cost = spent.real("cost_usd") if spent.has("cost_usd") else None
            return KeptSession(
                program,
                saved.text("session"),
                Spent(tokens, cost, is_total=True),
                saved.text("archive").encode(),
                saved.number("stages"),
                last,
                saved.text("version") if saved.has("version") else "",
            )
        except (NotCanonical, RecordBroken) as fault:
            raise ConversationLost(str(fault)) from fault

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        """Refuse, because the program cannot answer without its tools."""
        name = self._program.name
        return failure(f"{name} cannot answer prompts without tools", FailureClass.TERMINAL)

    async def steer(self, stage_id: str, text: str) -> bool:
        """Pass a message to the running program; return whether the program reads messages."""
        at_work, send = self._at_work.get(stage_id), self._program.steer
        if at_work is None or send is None or not at_work[0].is_open:
            return False
        dialogue, transcript = at_work
        send(dialogue, text)
        transcript.steered(text)
        return True

    def find_missing(
        self, nodes: Sequence[Node], answering: Sequence[Node]
    ) -> Iterator[Diagnostic]:
        """Yield what is missing to execute nodes; `answering` nodes only ask a model."""
        return find_missing(self._program, nodes, answering, self._require_parts())

    def find_unmetered(self, nodes: Sequence[Node]) -> Iterator[str]:
        """Yield a sentence if budgets do not count the model calls of the program themselves."""
        return find_unmetered(self._program, nodes, self._require_parts())

    def readable_paths(self) -> Sequence[Path]:
        """Return the paths of the program that a sandbox must show."""
        parts = self._require_parts()
        located = None if parts.place else locate(self._program, parts.environ)
        return located.needs if located else ()

    def needed_there(self) -> Sequence[str]:
        """Return the programs that the place of a run must have."""
        return needed_there(self._program) if self._require_parts().place else ()

    def needs_ports(self) -> bool:
        """Return whether the program connects to this process, as to reach its models."""
        return bool(self._program.providers) or self._program.keeps_input

    def _require_parts(self) -> OutsideParts:
        if self._parts is None:
            name = self._program.name
            raise UsageError(
                f"missing parts of the backend {name!r}", hint=f"run it with --backend {name}"
            )
        return self._parts

    @asynccontextmanager
    async def _open_task(
        self, stage: Stage, choice: ModelChoice, parts: OutsideParts, transcript: OutsideTranscript
    ) -> AsyncGenerator[Task]:
        """Yield the task without a prompt: its model, its home folder, and its model access."""
        environment = stage.workspace.environment
        arguments = tuple(parts.arguments.get(self._program.name, ()))
        folder, approvals = environment.working_directory(), stage.approvals
        task = Task("", choice, folder, arguments=arguments, approvals=approvals)
        has_key = not choice.provider or has_native_key(choice.provider, parts.environ)
        login = None if has_key else login_for(self._program, choice.provider, parts)
        transcript.has_subscription = login is not None
        if not (has_key or login):
            yield task
            return
        async with temporary_folder(environment) as home:
            if not choice.provider:
                yield replace(task, home=home)
                return
            async with offer_models(
                choice.provider,
                parts.environ,
                environment,
                login=login,
                require_budget=transcript.require_budget,
                on_call=transcript.called,
                on_answer=transcript.answered,
            ) as access:
                yield replace(task, home=home, access=access)

    async def _read_version(
        self, located: LocatedProgram, task: Task, environment: ExecutionEnvironment
    ) -> str:
        """Return the version of the program, which is asked once in a run."""
        if self._version is None and self._program.prints_version:
            asked = await environment.exec_command(
                located.command(["--version"]), timeout_ms=_QUICK_MS, env_vars=_home(task)
            )
            found = _VERSION.search(asked.stdout)
            self._version = found[0] if found else ""
        return self._version or ""

    async def _do(self, work: _ProgramRun, prompt: str) -> Outcome:
        stage = work.stage
        try:
            if work.parts.has_person:
                fault = await self._let_person_work(work, prompt)
            else:
                fault = await self._converse(work, prompt)
        except Exhausted:
            # An accepted report counts, even if the budget ended the program.
            if (outcome := await work.reporting.reported()) is None:
                raise
            return outcome
        text = work.transcript.text
        stage.files.write("response.md", text)
        updates = response_updates(stage.node.id, text)
        if outcome := work.reporting.outcome:
            return replace(outcome, context_updates=updates | dict(outcome.context_updates))
        return work.reporting.without_report(text, fault and f"{self._program.name} {fault}")

    async def _converse(self, work: _ProgramRun, prompt: str) -> str:
        """Run the program, and ask once for a missing or invalid report (R4, R8).

        Return the reason why the work does not count as done, or an empty text.
        """
        kept = await self._restore(work)
        try:
            fault = await self._talk(work, prompt, kept)
        except Parked:
            await self._keep(work, kept)
            raise
        await self._keep(work, kept)
        return fault

    async def _talk(self, work: _ProgramRun, prompt: str, kept: KeptSession | None) -> str:
        """Run the program until it has reported; return why the work does not count as done."""
        task = _with_prompt(work, prompt if kept else add_summary_if_lost(work.stage, prompt))
        approvals = work.stage.approvals
        # The last stage of another run has the same id.
        is_own = bool(approvals and approvals.was_parked and kept and kept.last == work.stage.id)
        said = continue_after_wait(approvals, task.prompt) if is_own else task.prompt
        session = kept.session if kept else ""
        fault = await self._run_once(work, replace(task, prompt=said, session=session))
        if kept and fault and not work.transcript.has_worked:
            why = f"{self._program.name} cannot continue its session: {fault}"
            _warn(work.stage, why)
            if not is_own:
                summary = require_summary(work.stage.inherited, why)
                task = _with_prompt(work, prepend_preamble(summary, prompt))
            fault = await self._run_once(work, task)
        is_reported = await work.reporting.reported() is not None
        # A program may end badly because its report was refused: it is asked again.
        is_faulty = fault and not work.reporting.refusals
        if not is_reported and not is_faulty and work.reporting.must_remind:
            await self._remind(work, task)
        return fault

    async def _let_person_work(self, work: _ProgramRun, words: str) -> str:
        """Show the program's own terminal to a person, and record what was said there.

        Return the reason why the work does not count as done, or an empty text.
        """
        shown, own, transcript = work.parts.terminal, self._program.terminal, work.transcript
        if shown is None or own is None:
            return CLOSED
        kept = await self._restore(work)
        if kept and kept.version and transcript.version not in ("", kept.version):
            versions = f"{kept.version}, and this is {transcript.version}"
            shown.say(f"The session is of {self._program.name} {versions}.")
        began = work.stage.clock.now().isoformat()
        task = replace(work.task, session=kept.session if kept else "")
        transcript.begin(words)
        result = await self._show_terminal(work, own, shown, task)
        located = work.located
        log = await _collect(work, located.in_search_path(own.log), program=str(located.file))
        for line in filter(None, map(parse_object, log.splitlines())):
            for heard in own.read(line):
                # A line without a time is as old as the others.
                if isinstance(heard, SessionNamed) or str(line.get("timestamp")) > began:
                    transcript.take(heard)
        transcript.end(is_aborted=False)
        transcript.count_seen()
        if transcript.session:
            await self._keep(work, kept)
        if result.exit_code and not transcript.has_worked:
            told = result.stderr.strip()[-_LONGEST_ERROR:]
            return f"ended with exit status {result.exit_code}: {told}".removesuffix(": ")
        return ""

    async def _show_terminal(
        self, work: _ProgramRun, own: OwnTerminal, shown: "PersonTerminal", task: Task
    ) -> ExecResult:
        """Run the program in the terminal of a person, until it ends or the budget is spent."""
        settings = await _collect(work, f'cat "{own.settings}"') if own.settings else ""
        call = own.invoke(task, settings)
        if task.home:
            await _write_files(work.environment, task, call)
        running = asyncio.ensure_future(
            shown.show(
                work.environment,
                work.located.command(call.arguments),
                timeout_ms=round(work.time_limit.total_seconds() * 1000),
                env_vars=_variables(work, task, call),
            )
        )
        exhausted = work.transcript.exhausted
        try:
            await asyncio.wait({running, exhausted}, return_when=asyncio.FIRST_COMPLETED)
            if exhausted.done():
                raise exhausted.result()
        finally:
            running.cancel()
            await asyncio.wait([running])
        return running.result()

    async def _remind(self, work: _ProgramRun, task: Task) -> None:
        """Ask for a report, in the same session if the program can continue it."""
        answer = work.transcript.text
        session = work.transcript.session if self._program.sessions else ""
        text = work.reminder() if session else f"{task.prompt}\n\n{work.reminder()}"
        await self._run_once(work, replace(task, prompt=text, session=session))
        await work.reporting.reported()
        work.transcript.text = answer or work.transcript.text

    async def _run_once(self, work: _ProgramRun, task: Task) -> str:
        """Run the program with one prompt; return why the work does not count as done, or an
        empty text.

        While its account has reached a limit, the stage waits; then the program continues.
        """
        account = self._account(work)
        if account is None:
            return await self._run_process(work, task)
        while True:
            async with account.use(work.stage.waits) as use:
                watch = LimitWatch(use, work.stage.clock)
                work.transcript.on_refusal = watch.answered
                work.transcript.on_event = watch.heard
                fault = await self._run_process(work, task, until=watch.is_limited)
                limit = watch.limit_of(fault, work.transcript.text)
                if limit is None or await work.reporting.reported():
                    if not fault:
                        named = ("", *work.transcript.models)[-1]
                        use.record_answer(task.choice.model or named)
                    return fault
                use.record_limit(limit)
            task = self._continued(work, task)

    def _account(self, work: _ProgramRun) -> Account | None:
        accounts, task = work.parts.accounts, work.task
        if accounts is None:
            return None
        if task.access and not task.access.login:
            return account_of(task.access.provider, accounts)
        login = work.parts.logins.get(self._program.name)
        identity = str(login) if task.access else self._program.run
        return accounts.of_program(self._program.name, identity)

    def _continued(self, work: _ProgramRun, task: Task) -> Task:
        """Return the task after a wait: the session continues if the agent has worked."""
        transcript = work.transcript
        if not transcript.has_worked:
            return task
        if transcript.session and self._program.sessions:
            return replace(task, prompt=work.continuation(), session=transcript.session)
        prompt = task.prompt.removesuffix(f"\n\n{work.continuation()}")
        return replace(task, prompt=f"{prompt}\n\n{work.continuation()}")

    async def _run_process(
        self, work: _ProgramRun, task: Task, *, until: asyncio.Event | None = None
    ) -> str:
        """Run one process of the program, which is ended when `until` is set."""
        if not task.session:
            work.transcript.spent = NOTHING_SPENT
        work.transcript.begin(task.prompt)
        dialogue = Dialogue(task, work.transcript.take, partial(work.stage.emit, INPUT_SOUGHT))
        self._at_work[work.stage.id] = dialogue, work.transcript
        is_aborted = True
        try:
            program = self._program
            program = (program.that_asks() or program) if task.approvals else program
            # Unlike the limit of a command, this one does not count while a person is asked.
            async with work.stage.waits.time_limit(work.time_limit):
                result = await _execute(work, program, dialogue, until=until)
            is_aborted = False
        except TimeoutError:
            is_aborted = False
            return f"reached its time limit of {describe_duration(work.time_limit)}"
        finally:
            self._at_work.pop(work.stage.id, None)
            work.transcript.end(is_aborted=is_aborted)
        if work.transcript.failure:
            return f"failed: {work.transcript.failure}"
        if result is not None and result.exit_code:
            told = result.stderr.strip()[-_LONGEST_ERROR:]
            return f"ended with exit status {result.exit_code}: {told}".removesuffix(": ")
        return "" if work.transcript.has_worked else "ended without an answer"

    async def _restore(self, work: _ProgramRun) -> KeptSession | None:
        """Return the session that the stage continues, after its files are restored."""
        thread = work.stage.inherited.thread
        kept = thread.recall() if thread else None
        if thread is None or not isinstance(kept, KeptSession):
            return None
        if kept.program != self._program.name:
            return None
        if work.task.home:
            restored = await work.environment.exec_command(
                _UNPACK,
                timeout_ms=_QUICK_MS,
                env_vars={"folder": work.task.home},
                stdin=kept.archive,
            )
            if restored.exit_code:
                return None
        work.transcript.spent = kept.spent
        work.stage.emit(THREAD_CONTINUED, thread=thread.name, stages=kept.stages, last=kept.last)
        return kept

    async def _keep(self, work: _ProgramRun, before: KeptSession | None) -> None:
        """Keep the session for the next stage of the thread."""
        thread, session = work.stage.inherited.thread, work.transcript.session
        if thread is None:
            return
        name, can_continue = self._program.name, bool(session and self._program.sessions)
        archive = await _pack(work, self._program.sessions) if can_continue else None
        stages, spent = (before.stages if before else 0) + 1, work.transcript.spent
        version = work.transcript.version
        kept = KeptSession(name, session, spent, archive or b"", stages, work.stage.id, version)
        if archive is None:
            _warn(work.stage, f"{name} cannot continue this session: later stages get a summary")
        thread.keep(None if archive is None else kept)
        if can_continue:
            # Without its files, a session is known as lost, and not taken for none.
            saved = kept if len(kept.archive) <= _LARGEST_SAVED else replace(kept, archive=b"")
            text = json.dumps(saved.record())
            written = work.stage.files.write(SESSION, text, is_private=True)
            work.stage.emit(SESSION_SAVED, hash=content_hash(written))


def outside_backend(
    make: Callable[[OutsideParts | None], Program],
    *,
    keeps_sessions: bool = True,
    options: Mapping[str, str] | None = None,
) -> type[BuiltBackend]:
    """Return the backend of a program; `make` returns the program, from the settings if needed.

    Without `keeps_sessions`, no run can continue the session of another run. The values of
    `options` are the patterns of their values: what Attractor sets is missing, and what could
    weaken the sandbox, the proxy or the permissions.
    """

    class OutsideBackend(OutsideAgent):
        """Runs an outside agent."""

        def __init__(self, parts: BackendParts) -> None:
            super().__init__(make(parts.outside), parts)

    OutsideBackend.keeps_sessions = keeps_sessions
    OutsideBackend.options = options or {}
    return OutsideBackend


async def _execute(
    work: _ProgramRun, program: Program, dialogue: Dialogue, *, until: asyncio.Event | None = None
) -> ExecResult | None:
    """Run a process of the program; return None if it had to be ended, after its work or when
    `until` is set.
    """
    task, environment = dialogue.task, work.environment
    call = program.invoke(task)
    await _write_files(environment, task, call)
    if program.is_shell_command:
        command = work.located.in_search_path(program.run)
    else:
        command = work.located.command([*shlex.split(program.run)[1:], *call.arguments])

    is_followed = True

    def on_output(chunk: OutputChunk) -> None:
        if is_followed and chunk.stream == "stdout":
            dialogue.output.feed_data(chunk.text.encode())

    async with AsyncExitStack() as stack:
        if program.keeps_input:
            command = await stack.enter_async_context(open_input(dialogue, environment)) + command
        running = asyncio.create_task(
            environment.exec_command(
                command,
                timeout_ms=_LONGEST_MS,
                env_vars=_variables(work, task, call),
                stdin=call.input.encode("utf-8", "replace"),
                on_output=on_output,
            )
        )
        running.add_done_callback(lambda _: dialogue.end())
        driving = asyncio.ensure_future(program.drive(dialogue))
        exhausted = work.transcript.exhausted
        ending = asyncio.ensure_future((until or asyncio.Event()).wait())
        try:
            ends = {driving, exhausted, ending, dialogue.halted}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for ended in (exhausted, dialogue.halted):
                if ended.done():
                    raise ended.result()
            if driving.done():
                driving.result()
            # Nothing reads the output that follows.
            is_followed = False
            dialogue.close_input()
            await asyncio.wait([running], timeout=_GRACE_S * driving.done())
        finally:
            # A program that goes on after its work is killed.
            ending.cancel()
            driving.cancel()
            running.cancel()
            await asyncio.gather(driving, return_exceptions=True)
            await asyncio.wait([running])
    return None if running.cancelled() else running.result()


async def _write_files(environment: ExecutionEnvironment, task: Task, call: Invocation) -> None:
    for name, text in call.files.items():
        await environment.exec_command(
            _WRITE_FILE,
            timeout_ms=_QUICK_MS,
            env_vars={"file": f"{task.home}/{name}"},
            stdin=text.encode("utf-8", "replace"),
        )


def _variables(work: _ProgramRun, task: Task, call: Invocation) -> Mapping[str, str]:
    models: Mapping[str, str] = task.access.variables if task.access else {}
    return {VARIABLE: work.file.path, **_home(task), **models, **call.variables}


def _home(task: Task) -> Mapping[str, str]:
    return {"HOME": task.home} if task.home else {}


async def _pack(work: _ProgramRun, paths: Sequence[str]) -> bytes | None:
    """Return the files of a session; None if they are missing or too large.

    Without a home folder of its own, the program keeps the files in the operator's.
    """
    if not work.task.home:
        return b""
    return (await _collect(work, _PACK, paths=" ".join(paths))).encode() or None


async def _collect(work: _ProgramRun, command: str, **variables: str) -> str:
    """Return the output of a command in the program's home folder; "" if it is too large."""
    pieces: list[str] = []
    size = 0

    def add(chunk: OutputChunk) -> None:
        nonlocal size
        size += len(chunk.text)
        if size <= _LARGEST_SESSION:
            pieces.append(chunk.text)

    await work.environment.exec_command(
        f'cd "${{HOME:?}}" && {command}',
        timeout_ms=_QUICK_MS,
        env_vars={**_home(work.task), **variables},
        on_output=add,
    )
    return "".join(pieces) if size <= _LARGEST_SESSION else ""


def _with_prompt(work: _ProgramRun, prompt: str) -> Task:
    """Return the task with a prompt and the way to report, as written to prompt.md."""
    prompt = f"{prompt}\n\n{work.how_to_report()}" if work.wants_report else prompt
    work.stage.files.write("prompt.md", prompt)
    return replace(work.task, prompt=prompt)


def _warn(stage: Stage, message: str) -> None:
    stage.emit(EventKind.WARNING, message=message)
