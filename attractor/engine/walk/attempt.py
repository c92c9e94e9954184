"""Executes one attempt of a stage and emits its events."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import MachineryError, Unavailable, UsageError
from attractor.base.json import Json
from attractor.base.records import read_record, write_record
from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.context import Context, deep_copy, reader, store_large_values
from attractor.engine.errors import ConversationLost, RecordBroken, StageOver
from attractor.engine.journal.events import (
    OUTCOME_ASSUMED,
    REPORT_REFUSED,
    EngineEvent,
    FidelityDegraded,
    FilesChangedByOthers,
    ModelCalled,
    ModelUsed,
    StageCompleted,
    StageFailed,
    StageStarted,
    kind_of,
)
from attractor.engine.outcome import NOTHING_USED, Outcome, StageStatus, Usage, usage_to_record
from attractor.engine.prompts.inherited_context import (
    DEGRADED,
    NOTHING_INHERITED,
    InheritedContext,
    StageArrival,
    Thread,
    is_conversation_turn,
    resolve,
)
from attractor.engine.prompts.last_attempt import (
    LastCall,
    describe_changed_files,
    describe_end,
    describe_last_attempt,
)
from attractor.engine.prompts.preamble import LONGEST_NAME, MOST_TOOLS, PreambleInput
from attractor.engine.questions.call_rules import PermissionMode
from attractor.engine.receipts import RECEIPT, RECEIPT_TAKEN, Receipt
from attractor.engine.routing.retry import end_attempt, failure_of
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import Branches, Handler, ParentRun, Stage, Suspended, require_summary
from attractor.engine.stage.execution import Stall, TimeLimits, execute, stall_limit
from attractor.engine.stage.folder import FolderFiles, begin_attempt, history_folder
from attractor.engine.stage.report import REPORT_OUTCOME, AttemptTimes, status_record
from attractor.engine.state.attempts import MAIN, InFlight, StageReference, TreeId
from attractor.engine.state.progress import LEFT_OUT, Visit
from attractor.engine.storage.json_files import read_known
from attractor.engine.truncation import LONGEST_RESPONSE, shorten
from attractor.engine.walk.saved_conversations import rebuild_parked
from attractor.engine.walk.waits import AttemptWaits
from attractor.engine.walk.walk import Walk
from attractor.environments.errors import PlaceRefused
from attractor.language.graph.branches import FAN_IN, FORKS
from attractor.language.graph.graph import Node

if TYPE_CHECKING:
    from attractor.engine.walk.approvals import StageApprovals

_LOST = "the conversation of the thread was lost with its process"


@dataclass(frozen=True)
class Inheritance:
    """The context that an attempt inherits; `degraded` is the event of a lost conversation.

    An attempt that `was_parked` continues the conversation of its agent, who asked a person.
    """

    context: InheritedContext = NOTHING_INHERITED
    degraded: FidelityDegraded | None = None
    was_parked: bool = False

    @property
    def fidelity(self) -> str:
        """The fidelity of the stage; empty if the stage uses no model."""
        return "" if self.context is NOTHING_INHERITED else self.context.fidelity.value

    @property
    def thread(self) -> str:
        """The thread of the stage; empty for a stage without a thread, or with one of its own."""
        return self.context.thread.name if self.context.thread else ""


def inherit_context(walk: Walk, node: Node, visit: int, *, starts_over: bool) -> Inheritance:
    """Return the inheritance of an attempt.

    An attempt that starts over inherits the same context as the first attempt of its visit.
    """
    if not is_conversation_turn(node):
        return Inheritance()
    resolved = resolve(walk.graph, node, _arrival(walk, node), walk.subgraph_classes)
    goal = walk.progress.context.get("graph.goal", "")
    remembered = PreambleInput(
        goal=goal if isinstance(goal, str) else walk.graph.goal,
        run_id=walk.run.manifest.run_id,
        past=walk.progress.past,
        context=walk.progress.context,
    )
    if not resolved.thread:
        return Inheritance(InheritedContext(resolved.fidelity, None, remembered))
    thread = walk.threads.take(
        resolved.thread, _keys_outward(walk), visit=f"{node.id}@{visit}", starts_over=starts_over
    )
    saved = walk.saved_conversations
    is_known = resolved.thread in walk.progress.threads or (saved and saved.continues_run)
    is_lost = thread.recall() is None and is_known
    if is_lost and (why := _restore(walk, thread)):
        degraded = FidelityDegraded(resolved.fidelity.value, DEGRADED.value, resolved.thread, why)
        context = InheritedContext(DEGRADED, thread, remembered)
        require_summary(context, why)
        return Inheritance(context, degraded)
    return Inheritance(InheritedContext(resolved.fidelity, thread, remembered))


def _restore(walk: Walk, thread: Thread) -> str:
    """Restore a lost conversation from the files of its stage, or return why restoring failed."""
    if walk.saved_conversations is None:
        return _LOST
    try:
        thread.restore(walk.saved_conversations.take(thread.name, _keys_outward(walk)))
    except ConversationLost as lost:
        return f"{_LOST}, and cannot be restored: {lost}"
    return ""


def _arrival(walk: Walk, node: Node) -> StageArrival:
    progress = walk.progress
    fidelity, thread = _edge_into_branch(walk, node)
    notes, completed = progress.past.notes, progress.completed
    # A conditional has no note, because it passes the outcome of an earlier stage on.
    previous = notes[-1].node if notes else completed[-1] if completed else ""
    return StageArrival(
        previous,
        progress.thread,
        fidelity or progress.edge_fidelity,
        thread or progress.edge_thread,
    )


def _edge_into_branch(walk: Walk, node: Node) -> tuple[str, str]:
    """Return the fidelity and the thread of the edge into a branch; empty outside of branches."""
    if walk.key == MAIN or walk.progress.completed:
        return "", ""
    fork = walk.run.state.walks[walk.state.parent].in_flight
    for edge in walk.graph.outgoing(fork.node) if fork else ():
        if edge.target == node.id:
            return edge.attributes.text("fidelity"), edge.attributes.text("thread_id")
    return "", ""


def _keys_outward(walk: Walk) -> Sequence[str]:
    """Return the key of a walk, then the keys of its parent walks, nearest first."""
    keys, walks = [walk.key], walk.run.state.walks
    while keys[-1] != MAIN:
        keys.append(walks[keys[-1]].parent)
    return keys


TOOL_CALL = "TOOL_CALL_START"
"""The event type of a tool call by an agent."""

TOOL_RESULT = "TOOL_CALL_END"
"""The event type of the result of a tool call."""


class Emitter:
    """Writes the events of one attempt to the journal, and remembers their types.

    `on_activity` is called for each event. `trouble` is the first error of the journal. `tools`
    counts the calls of each tool. `last_call` and `refusal` are the last tool call of the agent
    itself, and the reason of the last refused report. `receipt` is the receipt of the stage, whose
    last lines then replace those of the last tool call.
    """

    def __init__(
        self,
        run: OpenRun,
        place: StageReference,
        *,
        budgets: Budgets = NO_BUDGETS,
        parent: ParentRun | None = None,
        on_activity: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_activity = on_activity
        self._budgets = budgets
        self._parent = parent
        self._run = run
        self._place = place
        self._is_over = False
        self._calls: dict[object, Usage] = {}
        self._recorded_calls = NOTHING_USED
        self.kinds: set[str] = set()
        self.tools: dict[str, int] = {}
        self.last_call: LastCall | None = None
        self.refusal = ""
        self.receipt: Receipt | None = None
        self.trouble: MachineryError | None = None

    def __call__(self, kind: str, **data: Json) -> None:
        """Write an event into the journal."""
        with self._writing(kind):
            self._run.emit(kind, data, place=self._place)
        self.kinds.add(kind)
        if kind == TOOL_CALL:
            tool = shorten(str(data.get("tool_name", "")), LONGEST_NAME)
            self.tools[tool] = self.tools.get(tool, 0) + 1
        if kind == TOOL_RESULT and "subagent" not in data:
            self._remember_result(data)
        if kind == REPORT_REFUSED:
            self.refusal = str(data.get("reason", ""))
        if kind == RECEIPT_TAKEN:
            self._remember_receipt(data)
        self._on_activity()

    def _remember_result(self, data: Mapping[str, Json]) -> None:
        tool, said = str(data.get("tool_name", "")), data.get("output") or data.get("error")
        if tool != REPORT_OUTCOME:
            self.last_call = LastCall(tool, str(said or ""))

    def _remember_receipt(self, data: Mapping[str, Json]) -> None:
        self.receipt = read_known(Receipt, data)
        lines = data.get("lines")
        words = "\n".join(map(str, lines)) if isinstance(lines, list) else ""
        self.last_call = LastCall(RECEIPT, words)

    def require_budget(self) -> None:
        """Halt if a budget of the run, or of a parent run, is exhausted."""
        self._budgets.require_remaining(self._run)
        if self._parent:
            self._parent.require_budget()

    def use(self, usage: Usage) -> None:
        """Count the usage of a model call, and warn of nearly exhausted budgets."""
        event = ModelUsed(usage_to_record(usage))
        with self._writing(kind_of(event)):
            self._run.record(event, place=self._place)
            self._recorded_calls = NOTHING_USED
            self._budgets.warn(self._run)
        self._on_activity()

    @contextmanager
    def call(self, estimate: Usage) -> Generator[None]:
        """Record the estimate of the model calls that have not ended, at the start and the end."""
        key = object()
        self._calls[key] = estimate
        try:
            self._record_calls()
            yield
        finally:
            del self._calls[key]
            if not self._is_over:
                self._record_calls()

    def _record_calls(self) -> None:
        calls = sum(self._calls.values(), NOTHING_USED)
        if calls != self._recorded_calls:
            event = ModelCalled(usage_to_record(calls))
            with self._writing(kind_of(event)):
                self._run.record(event, place=self._place)
            self._recorded_calls = calls

    @contextmanager
    def _writing(self, kind: str) -> Generator[None]:
        if self._is_over:
            raise StageOver(f"the stage is over: {kind} was not recorded")
        try:
            yield
        except MachineryError as trouble:
            self.trouble = self.trouble or trouble
            raise

    def close(self) -> None:
        """Refuse further events."""
        self._is_over = True


TOUCH_NO_FILES = FORKS | {
    "start",
    "exit",
    "conditional",
    "wait.human",
    "wait",
    "prompt",
    "scenarios",
}
"""The node types that do not change the tree."""

NEED_NO_ENVIRONMENT = TOUCH_NO_FILES | {FAN_IN, "pipeline", "stack.manager_loop"}
"""The node types without a command of their own: a child pipeline opens the environment itself."""


@dataclass(frozen=True)
class AttemptResult:
    """The outcome of one attempt, and the visit that the attempt ends, if no other follows.

    `left` is the tree that the attempt left, if the next attempt starts from it. `ended` tells the
    next attempt how this one ended.
    """

    outcome: Outcome
    seconds: float
    visit: Visit | None = None
    left: TreeId = ""
    ended: str = ""


async def take_snapshot(walk: Walk, node: Node, visit: int) -> TreeId:
    """Return the tree of the workspace; the tree at the start of a stage that changes no files."""
    is_shared = node.type in FORKS and node.attributes.text("isolation") == "shared"
    if node.type in TOUCH_NO_FILES and not is_shared:
        return walk.progress.tree
    return await walk.workspace.snapshot(f"{node.id} {visit}")


@dataclass(frozen=True)
class Attempt:
    """One attempt at a node, in one walk."""

    walk: Walk
    node: Node
    visit: int
    number: int

    async def make(self, handler: Handler) -> AttemptResult:
        """Execute the handler, and record the outcome.

        If a service is unavailable at the last attempt, the run stops; a resume repeats the stage.
        """
        walk, run = self.walk, self.walk.run
        folder = await self._prepare_folder()
        inheritance = self._begin()
        changed_files = await self._describe_changed_files()
        stall = Stall(stall_limit(self.node, walk.graph))
        files = FolderFiles(folder, run.redactor, on_activity=stall.sign)
        emitter = Emitter(
            run, self._place, budgets=walk.budgets, parent=walk.parent, on_activity=stall.sign
        )
        limits = TimeLimits(stall, run.clock)
        stage = self._stage(files, emitter, inheritance, limits, changed_files)
        started, began = run.clock.now(), run.clock.monotonic()
        refused: Unavailable | PlaceRefused | None = None
        try:
            with walk.waits.at_work(stage.id, limits):
                async with self._environment():
                    outcome = await execute(handler, stage, stall=stall)
        except (Unavailable, PlaceRefused) as error:
            refused, outcome = error, failure_of(error)
        finally:
            emitter.close()
            files.close()
        if stage.approvals:
            stage.approvals.end()
        # An outcome that cannot be recorded counts as not done: the run stops, and a resume repeats
        # the stage. A failure made from this error would end the run instead.
        if trouble := emitter.trouble or files.trouble or run.blobs.trouble:
            raise trouble
        await self.branches.give_up_rest()
        seconds = round(run.clock.monotonic() - began - limits.stopped_seconds, 6)
        if (reported := self.flight.reported) is not NOTHING_USED:
            outcome = changed(outcome, usage=outcome.usage.at_least(reported))
        outcome = self._recorded(outcome, stage.context)
        visit = end_attempt(stage, outcome, self.flight.streak)
        if visit is None:
            # Before the end of the attempt is recorded: from then on, the attempt is not repeated.
            left = await self._snapshot() if self._leaves_files else ""
            ended = describe_end(outcome, emitter.last_call, emitter.refusal)
            result = AttemptResult(outcome, seconds, left=left, ended=ended)
        elif isinstance(refused, Unavailable):
            raise Suspended(f"stage {self.node.id}: {outcome.failure_reason}") from refused
        else:
            visit = changed(
                visit,
                is_assumed=OUTCOME_ASSUMED in emitter.kinds,
                fidelity=inheritance.fidelity,
                thread=inheritance.thread,
                receipt=emitter.receipt,
                tools=dict(Counter(emitter.tools).most_common(MOST_TOOLS)) if emitter.tools else {},
            )
            result = AttemptResult(visit.outcome, seconds, visit)
        times = AttemptTimes(self.visit, self.number, started, run.clock.now())
        files.finish(status_record(result.outcome, times, emitter.receipt))
        run.record(self._end_event(result), place=self._place)
        return result

    @cached_property
    def branches(self) -> Branches:
        """The branches that begin at this attempt."""
        return self.walk.start_branches(self.walk, self._place)

    @property
    def flight(self) -> InFlight:
        """The attempt as it is in the journal."""
        flight = self.walk.state.in_flight
        if flight is None:
            raise RecordBroken(f"the attempt at {self.node.id} is missing from the journal")
        return flight

    @cached_property
    def _place(self) -> StageReference:
        return self.walk.reference(self.node.id, self.visit, self.number)

    @property
    def _index(self) -> int:
        return len(self.walk.progress.completed) + 1

    @property
    def _label(self) -> str:
        return shorten(self.node.label, LONGEST_RESPONSE)

    @property
    def _asks(self) -> bool:
        """Whether a person is asked before the tool calls of this attempt."""
        asks = self.node.attributes.text("permissions") == PermissionMode.ASK
        return self.node.type == "codergen" and (asks or self.walk.permissions.asks)

    def _approvals(self, limits: TimeLimits, *, was_parked: bool) -> "StageApprovals | None":
        if not self._asks:
            return None
        # Imported here, because few runs ask.
        from attractor.engine.walk.approvals import StageApprovals

        walk = self.walk
        if walk.interviewer is None:
            raise UsageError("tool calls need an interviewer, who is asked about them")
        return StageApprovals(
            walk.run, self._place, walk.permissions, walk.interviewer, limits, was_parked=was_parked
        )

    def _begin(self) -> Inheritance:
        """Record the start, and return what the attempt inherits."""
        inherited = self._inherit()
        self._record_start(inherited)
        return inherited

    def _inherit(self) -> Inheritance:
        """Return what the attempt inherits.

        One that asks needs a thread, in which it leaves the conversation while a person is awaited.
        """
        over = self.number > 1 and self._starts_over
        inherited = inherit_context(self.walk, self.node, self.visit, starts_over=over)
        if not self._asks:
            return inherited
        thread = inherited.context.thread or Thread("")
        inherited = changed(inherited, context=changed(inherited.context, thread=thread))
        flight, rebuild = self.walk.state.in_flight, self.walk.rebuild
        if not (flight and flight.is_parked and rebuild):
            return inherited
        try:
            thread.restore(rebuild_parked(rebuild, self.walk.run.directory, flight.id))
        except ConversationLost:
            # The agent begins anew, with the files so far.
            return inherited
        return changed(inherited, was_parked=True)

    async def _snapshot(self) -> TreeId:
        return await take_snapshot(self.walk, self.node, self.visit)

    @property
    def _keeps_files(self) -> bool:
        """Whether a new attempt begins with the files that the last attempt left (ruling R3).

        In a shared workspace, restoring the tree would undo the work of other walks.
        """
        return self.node.attributes.text("retry_from") == "left" or self.walk.is_shared

    @property
    def _starts_over(self) -> bool:
        """Whether a new attempt begins with the tree at the start of the visit (ruling R3).

        A child pipeline restores its own workspace.
        """
        return not (self._keeps_files or self.walk.has_child)

    @property
    def _leaves_files(self) -> bool:
        """Whether a new attempt begins with the files of the last one."""
        return self._keeps_files or not self.walk.workspace.sets_back

    @property
    def _restores_files(self) -> bool:
        """Whether the tree at the start of the visit is restored for a new attempt."""
        return not (self._leaves_files or self.walk.has_child)

    async def _prepare_folder(self) -> Path:
        """Move the files of the last attempt to the history, restore the tree, return the folder.

        There is no `await` before the visit has its number.
        """
        folder = self.walk.run.directory.stage(self.node.id)
        is_aside = self.walk.run.state.is_aside(self.walk.key, self.node.id, self.visit)
        own = begin_attempt(folder, self.visit, self.number, is_aside=is_aside)
        if self.number > 1 and self._restores_files:
            past = history_folder(folder, self.visit, self.number - 1)
            await self.walk.workspace.restore(self._start_tree, set_aside=past)
        return own

    @property
    def _start_tree(self) -> TreeId:
        """The tree at the start of the attempt."""
        # The tree of the flight is that of an attempt that waited when its process ended.
        return self.flight.tree or self.walk.progress.tree

    async def _describe_changed_files(self) -> str:
        """Return a paragraph about files that a person, or an interrupted attempt, changed.

        Where a resume restores no files, they are changed since the last snapshot.
        """
        walk = self.walk
        if walk.workspace.sets_back or walk.is_shared or self.node.type in TOUCH_NO_FILES:
            return ""
        since, until = self._start_tree, await self._snapshot()
        paths = await walk.workspace.changed(since, until)
        # An interrupted attempt may have changed some of them.
        if paths and self.flight.starts == 1:
            happening = FilesChangedByOthers(since, until, len(paths))
            walk.run.record(happening, place=self._place)
        return describe_changed_files(paths)

    def _record_start(self, inheritance: Inheritance) -> None:
        started = StageStarted(self._label, self._index, inheritance.fidelity, inheritance.thread)
        # A stage that must not be repeated needs a start that survives a power failure.
        is_once = self.node.attributes.text("if_interrupted") not in ("", "repeat")
        self.walk.run.record(started, place=self._place, sync=is_once)
        if inheritance.degraded:
            self.walk.run.record(inheritance.degraded, place=self._place)

    def _stage(
        self,
        files: FolderFiles,
        emitter: Emitter,
        inheritance: Inheritance,
        limits: TimeLimits,
        changed_files: str,
    ) -> Stage:
        walk, run = self.walk, self.walk.run
        values = walk.progress.context_of(self.node.id, self.number)
        return Stage(
            node=self.node,
            graph=walk.graph,
            context=Context(values, read=reader(run.blobs)),
            logs_root=run.directory.root,
            visit=self.visit,
            attempt=self.number,
            labels=tuple(edge.label for edge in walk.graph.outgoing(self.node.id) if edge.label),
            files=files,
            emit=emitter,
            spending=emitter,
            waits=AttemptWaits(walk.waits, self._place, limits, self._snapshot),
            workspace=walk.workspace,
            branches=self.branches,
            children=walk.children,
            clock=run.clock,
            since=self.flight.since,
            is_shared=walk.is_shared,
            last_attempt="\n\n".join(filter(None, [self._describe_last_attempt(), changed_files])),
            inherited=inheritance.context,
            artifacts=run.artifacts,
            approvals=self._approvals(limits, was_parked=inheritance.was_parked),
            redact=run.redactor.text,
        )

    def _describe_last_attempt(self) -> str:
        """Return the paragraph for the prompt of a further attempt."""
        if not self.flight.before:
            return ""
        files = ""
        if self.node.type not in TOUCH_NO_FILES:
            is_undone = self._restores_files and self.walk.progress.tree
            files = (
                ", and its changes to files were undone" if is_undone else ", its files are left"
            )
        return describe_last_attempt(self.number, self.flight.before, files)

    @asynccontextmanager
    async def _environment(self) -> AsyncGenerator[None]:
        """Open the environment of the attempt; closing it ends every process inside."""
        if self.node.type in NEED_NO_ENVIRONMENT:
            yield
            return
        environment = self.walk.workspace.environment
        try:
            await environment.initialize()
            yield
        finally:
            await environment.cleanup()

    def _recorded(self, outcome: Outcome, context: Context) -> Outcome:
        """Return an outcome with all context updates of the stage, as the journal records it."""
        updates = {**context.written(), **deep_copy(outcome.context_updates)}
        outcome = self._redacted(changed(outcome, context_updates=updates))
        updates = store_large_values(outcome.context_updates, self.walk.run.blobs, but=(LEFT_OUT,))
        return changed(outcome, context_updates=updates)

    def _redacted(self, outcome: Outcome) -> Outcome:
        record = write_record(outcome)
        clean = self.walk.run.redactor.clean(record)
        if clean is record:
            return outcome
        return read_record(Outcome, clean)

    def _end_event(self, result: AttemptResult) -> EngineEvent:
        outcome = result.outcome
        usage = usage_to_record(outcome.usage) if outcome.usage != NOTHING_USED else None
        if outcome.status in (StageStatus.FAIL, StageStatus.RETRY):
            return StageFailed(
                self._label,
                self._index,
                error=outcome.failure_reason,
                failure_class=outcome.failure_class.value if outcome.failure_class else "",
                duration=result.seconds,
                will_retry=result.visit is None,
                usage=usage,
            )
        return StageCompleted(
            self._label,
            self._index,
            outcome.status.value,
            result.seconds,
            outcome.notes,
            usage,
            assumed=bool(result.visit and result.visit.is_assumed),
        )
