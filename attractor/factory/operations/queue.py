"""Lets approved runs wait for a branch, and promotes them one after the other.

Each step may be repeated after a kill: the id of a rebased run is recorded before the run is
created, its evaluation continues, and a promotion that was done is not done again.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, NoGo, UnknownName, UsageError
from attractor.base.fenced import DATA_ONLY, fenced
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.engine.errors import NoRun
from attractor.engine.journal.reader import events_of
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.run_state import AWAITING_DECISION, RunStatus
from attractor.engine.storage.json_files import Fields
from attractor.engine.truncation import one_line, shorten
from attractor.factory.candidate_run import facts_of, read_candidate_run
from attractor.factory.decisions.lock import lock_run
from attractor.factory.decisions.promotion import (
    approval_of,
    branch_name,
    find_branch,
    require_isolated,
)
from attractor.factory.errors import MergeConflict, NoDecision, NothingToMerge, StaleBase
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.evaluation.gate import gate
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.evaluate import ask_gate
from attractor.factory.operations.overlap import overlaps_of_runs
from attractor.factory.operations.promote import promote_run
from attractor.factory.operations.rebase import rebase_run
from attractor.factory.operations.resume import resume_run
from attractor.factory.promotion_queue import (
    LandingFacts,
    PromotionQueue,
    PromotionQueues,
    QueuedRun,
    Step,
    needs_decision,
    next_step,
    why_it_waits,
)
from attractor.factory.register import forget
from attractor.records.lookup import reference_of
from attractor.records.request import Overrides
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.overlap import Overlap

QUEUED, LEFT = "PromotionQueued", "PromotionLeft"
LONGEST_LINES = 4_000
_LONGEST_PATH = 200
_LEAD = f"The result of the earlier run and its target changed the same lines. {DATA_ONLY}"


class MoveKind(StrEnum):
    """What happened to the run that lands next."""

    LANDED = "landed"
    REBASED = "rebased"
    EVALUATED = "evaluated"
    RETURNED = "returned"
    REMOVED = "removed"
    WAITS = "waits"


@dataclass(frozen=True)
class QueueMove:
    """One step of a queue: the run, what happened to it, and the commit if it landed."""

    kind: MoveKind
    branch: str
    run_id: str
    current: str
    words: str
    commit: str = ""


async def queue_run(root: Path, opened: OpenProject, *, branch: str, by: str) -> PromotionQueue:
    """Let an approved run wait for a branch, after the runs that wait already."""
    opened.refuse_in_run("a promotion")
    project, queues = opened.project, PromotionQueues.of(opened)
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    branch = await branch_name(repository, branch)
    with lock_run(root, opened) as run:
        require_isolated(run)
        if command := run.manifest.options.get("promoted_by"):
            raise UsageError(f"{run.manifest.run_id} is promoted by: {command}")
        await find_branch(repository, branch, since=run.manifest.base.commit)
        evaluator, run_id = Evaluator(opened), run.manifest.run_id
        # This also verifies the records that are used below.
        evaluator.judged(facts_of(run))
        try:
            approval_of(run, evaluator)
        except NoDecision as cause:
            name = reference_of(root, project.runs_dir)
            raise NoDecision(cause.message, hint=f"attractor decide {name} --approve") from cause
        with queues.locked(branch) as queue:
            known = queue.find(run_id)
            if known and not known.returned:
                return queue
            now = opened.now()
            new = QueuedRun(run_id=run_id, current=run_id, by=by, queued=now, since=now)
            queue = queue.without(known) if known else queue
            queue = replace(queue, runs=(*queue.runs, new))
            run.emit(QUEUED, {"branch": branch, "by": by}, sync=True)
            queues.write(queue)
    return queue


def remove_run(reference: str, opened: OpenProject, *, branch: str = "", by: str) -> PromotionQueue:
    """Take a run out of its queue, or of that of a branch; return the queue without it."""
    opened.refuse_in_run("a removal from a queue")
    queues, run_id = PromotionQueues.of(opened), reference
    # The directory may be gone, which is a reason to remove the run.
    with suppress(NoRun, UnknownName):
        run_id = read_candidate_run(opened.find(reference)).run_id
    queue, run = queues.find(run_id, branch)
    if not run.returned:
        with suppress(NoRun, UnknownName), lock_run(opened.find(run.run_id), opened) as locked:
            data = {"branch": queue.branch, "reason": f"removed by {by}", "by": by}
            locked.emit(LEFT, data, sync=True)
    with queues.locked(queue.branch) as queue:
        queues.write(queue.without(run))
    return queues.read(queue.branch)


async def process_queue(opened: OpenProject, branch: str) -> AsyncGenerator[QueueMove]:
    """Promote the runs of a queue in their order, until it is empty or a person is needed."""
    opened.refuse_in_run("a promotion")
    queues = PromotionQueues.of(opened)
    with queues.processing(branch):
        while run := queues.read(branch).first:
            move = await _Landing(opened, queues, branch, run).step()
            yield move
            if move.kind is MoveKind.WAITS:
                return


@dataclass(frozen=True)
class _Landing:
    """The run of a queue that lands next."""

    opened: OpenProject
    queues: PromotionQueues
    branch: str
    run: QueuedRun

    async def step(self) -> QueueMove:
        """Do what is next for the run, as if there had been no trouble before."""
        landing = replace(self, run=replace(self.run, trouble=""))
        try:
            try:
                return await landing._step()
            except MergeConflict as conflict:
                return landing._return(conflict.message, conflict)
            except (NoGo, NothingToMerge) as refused:
                return landing._return(refused.message)
        except AttractorError as trouble:
            return landing._wait(trouble.in_one_line)

    async def _step(self) -> QueueMove:
        root = self._find(self.run.current)
        if root is None:
            # The process died before it created the rebased run. The next one has another id: it
            # begins from what the branch is then.
            await forget(self.run.current, self.opened)
            parent = replace(self.run, current=self.run.parent, parent="")
            return await replace(self, run=parent)._rebase(self.opened.find(parent.current))
        status = read_candidate_run(root).state.status
        facts = LandingFacts(status)
        if status == AWAITING_DECISION:
            facts = await self._facts(root)
        match next_step(facts):
            case Step.PROMOTE:
                return await self._promote(root)
            case Step.REBASE:
                return await self._rebase(root)
            case Step.EVALUATE:
                return await self._evaluate(root, status)
            case Step.RETURN:
                words = f"the gate says no-go: {facts.no_go}" if facts.no_go else f"it is {status}"
                return self._return(words)
            case Step.WAIT:
                return self._wait(facts.no_go)

    def _find(self, run_id: str) -> Path | None:
        """Return the directory of a run, or None if the run was not created."""
        try:
            return self.opened.find(run_id)
        except (NoRun, UnknownName):
            if not self.run.parent:
                raise
        return None

    async def _facts(self, root: Path) -> LandingFacts:
        """Return the facts about a run that waits for a decision."""
        candidate, judged = ask_gate(root, self.opened)
        report = gate(judged)
        is_unfinished = not report.go and bool(judged.without_result() or judged.not_ended())
        no_go = "; ".join(
            f"{reason.rule}: {reason.words}" + (f" ({reason.remedy})" if is_unfinished else "")
            for reason in report.reasons
        )
        return LandingFacts(candidate.state.status, no_go, is_unfinished)

    async def _evaluate(self, root: Path, before: RunStatus) -> QueueMove:
        """Continue the evaluation of a rebased run, whose process died."""
        result = await resume_run(root, self.opened, Overrides(evaluate=True))
        if result.status == before:
            return self._wait(f"it is {before}; see: attractor diagnose {root.name}")
        return self._move(MoveKind.EVALUATED, self.run.current)

    async def _promote(self, root: Path) -> QueueMove:
        try:
            # A person who removes the run meanwhile waits for the end of the promotion.
            with self.queues.locked(self.branch) as queue:
                if queue.find(self.run.run_id) is None:
                    return self._move(MoveKind.REMOVED, "from the queue")
                done = await promote_run(root, self.opened, branch=self.branch, by=self.run.by)
                self.queues.write(queue.without(self.run))
        except StaleBase:
            return await self._rebase(root)
        words = f"{done.commit[:12]} on {self.branch}"
        return replace(self._move(MoveKind.LANDED, words), commit=done.commit)

    async def _rebase(self, root: Path) -> QueueMove:
        """Rebase a run onto the branch; its id is recorded first, so that a kill loses none."""
        old, machine = self.run, self.opened.project.machine
        new_id = machine.new_run_id()
        new = replace(old, current=new_id, parent=old.current, since=self.opened.now())
        if not self.queues.change(self.branch, new):
            return self._move(MoveKind.REMOVED, "from the queue")
        await rebase_run(root, self.opened, branch=self.branch, by=old.by, new_id=new_id)
        landing = replace(self, run=new)
        return landing._move(MoveKind.REBASED, f"onto {self.branch} as {new_id}")

    def _return(self, reason: str, conflict: MergeConflict | None = None) -> QueueMove:
        """Give a run back: the reason is an event of the run, and feedback for the next one."""
        run, branch = self.run, self.branch
        root = self._find(run.current)
        if root is None:
            run = replace(run, current=run.parent, parent="")
            root = self.opened.find(run.current)
        paths = tuple(conflict.paths) if conflict else ()
        lines = shorten(conflict.lines, LONGEST_LINES) if conflict else ""
        data: dict[str, Json] = {"branch": branch, "reason": reason, "by": run.by}
        if conflict:
            data |= {"conflicts": [*paths], "lines": lines}
        with lock_run(root, self.opened) as locked:
            known = [*events_of(locked.directory.events, (QUEUED, LEFT))]
            # A process that died may have emitted it.
            if not (known and dict(known[-1].data) == locked.redactor.members(data)):
                locked.emit(LEFT, data, sync=True)
        returned = replace(run, returned=reason, conflicts=paths, since=self.opened.now())
        self.queues.change(branch, replace(returned, trouble=""))
        return replace(self, run=run)._move(MoveKind.RETURNED, reason)

    def _wait(self, trouble: str) -> QueueMove:
        """Record why a run cannot land now; without trouble, it needs a decision."""
        # A rebased run may have been recorded meanwhile.
        known = self.queues.read(self.branch).find(self.run.run_id) or self.run
        if known.trouble != trouble:
            self.queues.change(self.branch, replace(known, trouble=trouble))
        words = trouble or needs_decision(self.branch, self.run)
        return self._move(MoveKind.WAITS, words)

    def _move(self, kind: MoveKind, words: str) -> QueueMove:
        return QueueMove(kind, self.branch, self.run.run_id, self.run.current, words)


def returned_to_context(root: Path, marker: str) -> dict[str, Json]:
    """Return the values about a run that a queue gave back, for the context of the next run.

    The lines in conflict were written by others: they are fenced by the marker.
    """
    last = [*events_of(RunDirectory(root).events, (QUEUED, LEFT))][-1:]
    if not last or last[0].type != LEFT or "conflicts" not in last[0].data:
        return {}
    fields = Fields(last[0].data, LEFT)
    lines = fenced({"reason": fields.text("reason"), "lines": fields.text("lines")}, marker)
    return {
        "feedback.returned": f"could not land on {fields.text('branch')}",
        "feedback.conflicts": [one_line(path, _LONGEST_PATH) for path in fields.texts("conflicts")],
        "feedback.conflict_lines": f"{_LEAD}\n\n{lines}",
    }


@dataclass(frozen=True)
class ShownRun:
    """A run of a queue, its place in the order, why it waits, and the files others change too."""

    branch: str
    position: int
    run: QueuedRun
    why: str
    overlaps: Sequence[Overlap] = ()

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record."""
        return {**write_fields(self, run=""), **write_fields(self.run)}


async def explain_queues(opened: OpenProject, branch: str = "") -> list[ShownRun]:
    """Return the runs of the queues in their order, each with the reason why it waits."""
    queues, found = PromotionQueues.of(opened), list[ShownRun]()
    for queue in queues.all():
        if branch not in ("", queue.branch):
            continue
        overlaps = await overlaps_of_runs((run.current for run in queue.waiting), opened)
        holder = queues.holder(queue.branch)
        for run in (*queue.waiting, *(queued for queued in queue.runs if queued.returned)):
            why = why_it_waits(queue, run, _status_of(run, opened), holder)
            shared = overlaps.get(run.current, ())
            found.append(ShownRun(queue.branch, queue.position(run), run, why, shared))
    return found


def _status_of(run: QueuedRun, opened: OpenProject) -> RunStatus | None:
    try:
        return read_candidate_run(opened.find(run.current)).state.status
    except AttractorError:
        return None
