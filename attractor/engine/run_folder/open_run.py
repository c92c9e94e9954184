"""A run directory that this process can write to: journal, state and end of the run."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Self

from attractor.base.clock import Clock
from attractor.base.dataclasses import changed
from attractor.base.errors import AttractorError, UsageError, VerificationError
from attractor.base.events import Event
from attractor.base.files import remove_abandoned_files, write_whole
from attractor.base.journal import SharedSync
from attractor.base.json import Json
from attractor.base.records import write_record
from attractor.engine.journal.checkpoint import (
    Position,
    RestoredState,
    open_journal,
    render_checkpoint,
)
from attractor.engine.journal.events import (
    ENGINE_KINDS,
    PLAIN,
    Action,
    CheckpointSaved,
    EngineEvent,
    EventLog,
    OperatorAction,
    PipelineCompleted,
    PipelineFailed,
    RunInterrupted,
    RunStatusChanged,
    TornLineDropped,
    data_of,
    kind_of,
)
from attractor.engine.journal.reducer import fold, fold_step
from attractor.engine.questions.question import Answer, Question
from attractor.engine.run_folder.inbox import Inbox, InboxEntry, action_of, refuse_order
from attractor.engine.run_folder.layout import (
    Fence,
    Fences,
    Manifest,
    RunDirectory,
    file_fence,
    read_manifest,
)
from attractor.engine.run_folder.result import (
    RunResult,
    final_from_journal,
    final_record,
    is_final_lost,
    result_of,
    run_record,
)
from attractor.engine.state.attempts import NO_PLACE, StageReference
from attractor.engine.state.progress import Progress, Step, step_to_record
from attractor.engine.state.run_state import (
    CANCELED,
    EVALUATING,
    FAILED,
    RunState,
    RunStatus,
    Wait,
    outcome_of,
    require_transition,
    state_to_record,
)
from attractor.engine.storage.artifacts import ArtifactStore, Blobs
from attractor.engine.storage.json_files import read_document, write_document
from attractor.engine.storage.secrets import Redactor

SMALL_CHECKPOINT = 4096
"""The size in bytes up to which a checkpoint is rewritten after every stage."""


class OpenRun:
    """A run that this process can write to, made by `open_run`.

    Every change is an event, which is written to the journal and applied to the state.
    """

    def __init__(
        self,
        directory: RunDirectory,
        manifest: Manifest,
        *,
        clock: Clock,
        redactor: Redactor,
        fence: Fence,
        events: EventLog,
        found: RestoredState,
        before_end: "BeforeEnd | None",
    ) -> None:
        self.directory = directory
        self.manifest = manifest
        self.clock = clock
        self.redactor = redactor
        self.events = events
        self._fence = fence
        self._before_end = before_end
        self.blobs = Blobs(directory.root)
        self.artifacts = ArtifactStore(self.blobs, clock=clock, redactor=redactor)
        self._inbox = Inbox(directory.inbox)
        self._lock = RLock()
        self._shared = SharedSync(events.sync)
        self.last_activity = found.last_activity
        self._state = found.at_rest
        self._checkpoint_size = found.checkpoint_size
        self._checkpoint_offset = found.checkpoint_offset

    @property
    def state(self) -> RunState:
        """The state of the run."""
        return self._state

    @property
    def progress(self) -> Progress:
        """The progress of the walk from the start."""
        if self._state.progress is None:
            raise UsageError(f"the walk of {self.manifest.run_id} has not begun")
        return self._state.progress

    @property
    def leaves(self) -> str:
        """Why this process leaves the run after the stages in flight, or ""."""
        return self._fence.leaves

    def record(
        self, happening: EngineEvent, *, place: StageReference = NO_PLACE, sync: bool = False
    ) -> Event:
        """Write an event of the engine, and apply the event to the state."""
        with self._lock:
            is_plain = isinstance(happening, PLAIN)
            event = self._append(kind_of(happening), data_of(happening), place, sync, is_plain)
            self._state = fold(self._state, event)
            return event

    def emit(
        self,
        kind: str,
        data: Mapping[str, Json],
        *,
        place: StageReference = NO_PLACE,
        sync: bool = False,
    ) -> Event:
        """Write an event of any type, except the types that only the engine may write."""
        if kind in ENGINE_KINDS:
            raise UsageError(
                f"event kind {kind} is reserved for the engine", hint="choose another kind"
            )
        with self._lock:
            return self._append(kind, data, place, sync)

    def save(self, step: Step | None = None, *, place: StageReference = NO_PLACE) -> None:
        """Record a step, with the only sync of a stage. Without a step, only write a checkpoint.

        A small checkpoint is rewritten after every stage. A larger checkpoint is rewritten when the
        journal has grown by twice the size of the checkpoint, so that stages do not become slower
        in a long run.
        """
        with self._lock:
            if step is not None and not self._is_due():
                self._record_step(step, place, sync=True)
                self._fence.keep(self._state.used, ends_stage=True)
                return
            if step is None:
                node = (self._state.progress or _NO_PROGRESS).current_node
                saved = CheckpointSaved(node, None, "")
            else:
                saved = _saved(step)
                saved = changed(saved, step=self.redactor.clean(saved.step or {}))
            draft = Event(
                seq=self.events.head.seq + 1,
                branch=place.branch,
                time=self.clock.now(),
                run_id=self.manifest.run_id,
                type=kind_of(saved),
                data=data_of(saved),
            )
            after = fold(self._state, draft)
            at = Position(self.events.offset, self.events.head)
            record, now = state_to_record(after), self.clock.now()
            drawn = render_checkpoint(record, now, at)
            if self.redactor.finds_in(drawn.text):
                drawn = render_checkpoint(self.redactor.members(record), now, at)
            saved = changed(saved, checkpoint=drawn.digest)
            self._append(kind_of(saved), data_of(saved), place, sync=True, is_plain=True)
            self._state = after
            write_whole(self.directory.checkpoint, drawn.text, sync=False)
            self._checkpoint_size = len(drawn.text)
            self._checkpoint_offset = self.events.offset
            if step is not None:
                self._fence.keep(self._state.used, ends_stage=True)

    async def commit(self, step: Step, *, place: StageReference = NO_PLACE) -> None:
        """Record a step, and return when the step is on the disk.

        Branches that commit at the same time share one sync. The checkpoint is written after the
        branches are joined.
        """
        if len(self._state.walks) == 1:
            self.save(step, place=place)
            return
        with self._lock:
            self._record_step(step, place, sync=False)
        await self._shared.wait()
        self.keep(ends_stage=True)

    def keep(self, *, ends_stage: bool = False) -> None:
        """Let the next owner of the run continue from what is written."""
        with self._lock:
            self._fence.keep(self._state.used, ends_stage=ends_stage)

    def change_status(
        self, status: RunStatus, reason: str = "", *, wait: Wait | None = None
    ) -> None:
        """Change the status of the run, if the transition is allowed."""
        require_transition(self._state.status, status)
        if status in (FAILED, CANCELED) and self._before_end:
            self._before_end(self, status)
        waits = write_record(wait) if wait else None
        happening = RunStatusChanged(status.word.value, status.phase.value, reason, waits)
        self.record(happening, sync=True)
        self.write_run()

    def write_run(self) -> None:
        """Write run.json."""
        self._fence.commit()
        write_document(self.directory.run, run_record(self.manifest, self._state, self.clock.now()))

    def rewrite_lost_files(self) -> None:
        """Rewrite run.json if it differs from the journal, and final.json if it is missing.

        A process that was killed may not have written these files.
        """
        if not self.events.head.seq:
            return
        if self._state.is_ended and is_final_lost(self.directory):
            final = final_from_journal(self.directory, self.manifest)
            write_document(self.directory.final, self.redactor.members(final))
        record = run_record(self.manifest, self._state, self.clock.now())
        try:
            written = read_document(self.directory.run).all()
        except AttractorError:
            written = {}
        if {**written, "updated": ""} != {**record, "updated": ""}:
            self.write_run()

    def take_orders(self) -> Sequence[OperatorAction]:
        """Read the orders in the inbox, and record each order once.

        Messages for a running stage stay in the inbox until the stage gets them.
        """
        settled: list[OperatorAction] = []
        with self._lock:
            # A process may have died after the event, before it moved the file of the order.
            taken = self._state.last_order
            waiting = sorted(self._inbox.waiting(), key=lambda order: order.name != taken)
            for received in waiting:
                if received.name == taken:
                    self._inbox.put_away(received)
                elif not self._can_steer(received):
                    refusal = refuse_order(received.order, self._state, self.clock.now())
                    settled.append(self.settle(received, refusal))
        return settled

    def messages(self) -> Sequence[InboxEntry]:
        """Return the messages in the inbox that running stages have not received yet."""
        return [order for order in self._inbox.waiting() if self._can_steer(order)]

    def settle(self, received: InboxEntry, refusal: str) -> OperatorAction:
        """Record the result of an order, and move the file of the order to `done/`."""
        action = action_of(received, refusal)
        with self._lock:
            self.record(action, sync=True)
            self._inbox.put_away(received)
        self.keep()
        return action

    def answer_to(self, question: Question) -> Answer | None:
        """Return the answer to a question of a running stage, or None."""
        return self._state.answers.get(question.id)

    def close(self) -> None:
        """Release the run, so that another process can open it."""
        self.events.close()
        self._fence.end()

    def __enter__(self) -> Self:
        """Return the run."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the run."""
        self.close()

    def _record_step(self, step: Step, place: StageReference, *, sync: bool) -> None:
        saved = _saved(step)
        event = self._append(kind_of(saved), data_of(saved), place, sync, is_plain=True)
        # Redaction changed the step, so it is read back.
        is_same = event.data.get("step") is saved.step
        self._state = fold_step(self._state, event, step) if is_same else fold(self._state, event)

    def _append(
        self,
        kind: str,
        data: Mapping[str, Json],
        place: StageReference,
        sync: bool,
        is_plain: bool = False,
    ) -> Event:
        self._fence.commit()
        return self.events.append(kind, data, place=place, sync=sync, is_plain=is_plain)

    def _is_due(self) -> bool:
        grown = self.events.offset - self._checkpoint_offset
        return self._checkpoint_size <= SMALL_CHECKPOINT or grown >= 2 * self._checkpoint_size

    def _can_steer(self, received: InboxEntry) -> bool:
        """Return whether an order is a message, and a running stage can receive it."""
        is_steer = received.order is not None and received.order.action is Action.STEER
        return is_steer and any(walk.in_flight for walk in self._state.walks.values())


_NO_PROGRESS = Progress("")


def _saved(step: Step) -> CheckpointSaved:
    return CheckpointSaved(step.visit.node, step_to_record(step), "")


BeforeEnd = Callable[[OpenRun, RunStatus], None]
"""Type of a function that is called before a run becomes `failed` or `canceled`."""


def open_run(
    root: Path,
    *,
    clock: Clock,
    redactor: Redactor | None = None,
    fences: Fences = file_fence,
    before_end: BeforeEnd | None,
) -> OpenRun:
    """Lock a run directory, verify the journal, and read the state of the run.

    `before_end` records a final status outside of the directory; with None, nothing does.
    """
    directory = RunDirectory(root)
    manifest = read_manifest(directory)
    fence = fences(directory, f"run {manifest.run_id}")
    redactor = redactor or Redactor()
    with ExitStack() as undo:
        fence.begin()
        undo.callback(fence.end)
        remove_abandoned_files(root)
        # Without its journal, the run would begin again.
        if not directory.events.exists() and directory.run.exists():
            raise VerificationError(
                f"{directory.events} is missing, although the run has begun",
                hint="restore it from a copy: the run cannot continue without it",
            )
        events = EventLog(directory.events, run_id=manifest.run_id, clock=clock, redactor=redactor)
        undo.callback(events.close)
        found = open_journal(directory.events, directory.checkpoint)
        events.continue_from(found.head)
        run = OpenRun(
            directory,
            manifest,
            clock=clock,
            redactor=redactor,
            fence=fence,
            events=events,
            found=found,
            before_end=before_end,
        )
        if torn := events.torn:
            # Sync, because decisions refer to the last line of a journal.
            run.record(TornLineDropped(torn.offset, len(torn.content)), sync=True)
        run.blobs.sweep()
        run.rewrite_lost_files()
        undo.pop_all()
    return run


def end_run(run: OpenRun) -> RunResult:
    """Record the end of a run: first final.json, then the terminal event, then the status."""
    outcome = outcome_of(run.state)
    is_good = outcome is not None and outcome.is_success and not run.state.why_canceled
    if not run.state.is_ended:
        run.save()
        final = final_record(run.manifest, run.state, run.clock.now())
        write_document(run.directory.final, run.redactor.members(final))
        result, seconds = _result(run), round(run.state.seconds(run.clock.now()), 6)
        if is_good and result.outcome:
            count = run.blobs.count()
            end = PipelineCompleted(result.outcome.value, result.reason, seconds, count)
        else:
            end = PipelineFailed(result.reason, seconds)
        run.record(end, sync=True)
    # Nothing continues the child runs that have not ended.
    why = run.state.why_canceled or "the run ended"
    for manifest in sorted(run.directory.children.glob("*/manifest.json")):
        if RunDirectory(manifest.parent).final.exists():
            continue
        # An unreadable child must not prevent the end of its parent.
        with (
            suppress(AttractorError),
            open_run(
                manifest.parent, clock=run.clock, redactor=run.redactor, before_end=None
            ) as child,
        ):
            by = f"run {run.manifest.run_id}"
            child.record(OperatorAction(Action.CANCEL.value, by, why), sync=True)
            end_run(child)
    reason = _result(run).reason
    if run.state.why_canceled:
        run.change_status(CANCELED, reason)
    else:
        run.change_status(EVALUATING if is_good else FAILED, reason)
    return _result(run)


def stop_run(run: OpenRun, reason: str) -> RunResult:
    """Record the reason why the run stops. The status stays, so that the run can be resumed."""
    run.record(RunInterrupted(reason), sync=True)
    run.save()
    run.write_run()
    return _result(run)


def interrupt_run(run: OpenRun) -> None:
    """Record that the process was stopped.

    The status of the run stays, so that the run can be resumed.
    """
    # An error here must not hide the cancellation.
    with suppress(AttractorError):
        run.record(RunInterrupted("the process was stopped"), sync=True)
        if run.state.progress:
            run.save()


def _result(run: OpenRun) -> RunResult:
    return result_of(run.manifest, run.directory.root, run.state)
