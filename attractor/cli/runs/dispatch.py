"""Runs in the fleet, for commands that begin, follow and change them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.errors import ExitCode, Refused, Unavailable, UsageError
from attractor.base.events import Event
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import show, show_json, show_result
from attractor.cli.runs.fleet import OnPool, open_both, open_dispatch
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import opened_of
from attractor.cli.runs.universes import require_reach
from attractor.cli.runs.walk import Watcher, walk
from attractor.engine.budgets import NO_BUDGETS, record_budgets
from attractor.engine.errors import RunOver
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.journal.events import Action, OperatorAction
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.resume import conclude
from attractor.factory.operations.start import plan_start
from attractor.factory.operator_process import Scope
from attractor.fleet.check import last_whole_head
from attractor.fleet.decisions import pause_of
from attractor.fleet.dispatch.dispatch import Where, copy_fence, first_of, of_labeled_machine
from attractor.fleet.records import STOPPED, CommittedHead, FleetRun, RowState
from attractor.fleet.store.places import chain_of
from attractor.fleet.views.overview import ExplainedRun, events_in, explain
from attractor.records.request import NO_OVERRIDES, Overrides, RunRequest, current_request

_LOOK_S = 0.5


def run_on(
    on: OnPool,
    request: RunRequest,
    opened: OpenProject,
    *,
    feedback: Path | None,
    as_json: bool,
) -> ExitCode:
    """Begin a run that a worker executes; if it is followed, wait until it stops, and finish it."""
    invocation = on.invocation
    require_reach(invocation, [opened.identity.project_id()], "this one")
    where = Where(on.pool, on.priority, on.label, on.universe)

    async def submit() -> str:
        async with open_dispatch(invocation, opened) as dispatch:
            wanted = of_labeled_machine(request, opened) if on.label else request
            plan = await plan_start(wanted, opened, feedback=feedback)
            return await dispatch.submit(plan, where)

    run_id = asyncio.run(submit())
    show_result({"run_id": run_id, "pool": where.pool}, run_id, as_json=as_json, is_line=True)
    if on.follows:
        return _follow(invocation, opened, run_id, as_json=as_json)
    if not as_json:
        show(f"after its end, 'attractor resume {run_id}' delivers and evaluates it", err=True)
    return ExitCode.DONE


def _follow(invocation: Invocation, opened: OpenProject, run_id: str, *, as_json: bool) -> ExitCode:
    """Wait until a run of the fleet stops; if it has ended, deliver and evaluate it here."""

    async def wait() -> ExplainedRun:
        async with open_both(invocation, opened) as (fleet, dispatch):
            while (run := await dispatch.sync(run_id)).state not in STOPPED:
                await asyncio.sleep(_LOOK_S)
            [stopped] = await explain(fleet, [run])
            return stopped

    stopped = asyncio.run(wait())
    if stopped.run.state is RowState.PARKED:
        return _show_parked(stopped, as_json=as_json)
    root = opened.project.runs_dir / run_id
    return _finish(invocation, root, is_canceled=stopped.run.cancel, as_json=as_json)


def _finish(invocation: Invocation, root: Path, *, is_canceled: bool, as_json: bool) -> ExitCode:
    """Deliver and evaluate a run that has ended in the fleet, and show its end."""
    watcher = Watcher(invocation, root, as_json=as_json)
    opened = opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    result = walk(conclude(root, opened, is_canceled=is_canceled), watcher)
    return show_end(result, opened.project, as_json=as_json)


def _show_parked(stopped: ExplainedRun, *, as_json: bool) -> ExitCode:
    if as_json:
        show_json(stopped.to_record(), is_line=True)
    elif stopped.reason:
        show(f"run {stopped.run.run_id}: {stopped.words}")
        show(f"  continue: {stopped.command}")
    return ExitCode.UNFINISHED


def resume_in_fleet(
    invocation: Invocation, root: Path, overrides: Overrides, *, as_json: bool
) -> ExitCode:
    """Let a parked run of the fleet continue in its pool, with larger budgets if any are given."""
    operator_name(invocation, Scope.OPERATE)
    opened = opened_of(invocation)
    opened.require_own(root)
    if replace(overrides, budgets=NO_BUDGETS) != NO_OVERRIDES:
        raise UsageError(
            f"run {root.name} is in the fleet: it continues with its own options",
            hint="only budgets can be changed: --max-cost-usd, --max-tokens, --max-duration",
        )

    async def work() -> FleetRun:
        async with open_both(invocation, opened) as (fleet, dispatch):
            run_id = first_of(root).name
            [explained] = await explain(fleet, [await dispatch.sync(run_id)])
            _require_parked(explained)
            _require_no_question(chain_of(root.parent, run_id)[-1])
            if overrides.budgets == NO_BUDGETS:
                return await fleet.table.want(run_id)
            cost, tokens = overrides.budgets.cost_usd, overrides.budgets.tokens
            await fleet.table.set_budget(
                run_id,
                explained.run.max_cost_usd if cost is None else cost,
                explained.run.max_tokens if tokens is None else tokens,
            )
            async with dispatch.held(run_id) as last:
                await asyncio.to_thread(_raise_budgets, last, opened, overrides)
            return await dispatch.sync(run_id)

    run = asyncio.run(work())
    record = {"run_id": run.run_id, "pool": run.pool, "state": run.state}
    words = f"run {run.run_id}: continues in pool {run.pool}"
    return show_result(record, words, as_json=as_json, is_line=True)


def restore_in_fleet(invocation: Invocation, run: FleetRun) -> CommittedHead:
    """Let a run whose head is damaged continue from its last whole head, and record that."""
    by, opened = operator_name(invocation, Scope.OPERATE), opened_of(invocation)
    opened.require_own(opened.project.runs_dir / run.run_id)

    async def work() -> CommittedHead:
        async with open_both(invocation, opened) as (fleet, dispatch):
            found = _require_earlier(run, await last_whole_head(fleet, run))
            why = f"continued from commit {found.seq}, because the head {run.head} is damaged"
            async with dispatch.held(run.run_id, found.head, damaged=run.head) as root:
                await asyncio.to_thread(_record_order, root, opened, by, why)
            await fleet.table.drop_heads(run.run_id, after=found.seq, until=run.seq)
            await dispatch.sync(run.run_id)
            return found

    return asyncio.run(work())


def _require_earlier(run: FleetRun, found: CommittedHead | None) -> CommittedHead:
    if run.state is RowState.ENDED:
        raise Refused(f"run {run.run_id} has ended in the fleet")
    if found is None:
        hint = f"restore its blobs from a copy of the store, then: attractor resume {run.run_id}"
        raise Refused(f"none of the last heads of run {run.run_id} is whole", hint=hint)
    if found.head == run.head:
        hint = f"continue it: attractor resume {run.run_id}"
        raise Refused(f"the head of run {run.run_id} is whole", hint=hint)
    return found


def _record_order(root: Path, opened: OpenProject, by: str, why: str) -> None:
    with _open_copy(root, opened) as run:
        run.record(OperatorAction(Action.RESUME.value, by, why), sync=True)


def _require_parked(explained: ExplainedRun) -> None:
    run, reason = explained.run, explained.reason
    if run.state is RowState.PARKED or pause_of(run):
        return
    if run.state is RowState.ENDED and run.cancel:
        hint = "start a new run: attractor run"
        raise RunOver(f"{run.run_id} is canceled, which is final", hint=hint)
    if run.state is RowState.ENDED:
        hint = f"deliver and evaluate it: attractor resume {run.run_id}"
        raise Refused(f"run {run.run_id} has ended in the fleet", hint=hint)
    if reason:
        hint = f"change it: {explained.command}"
        raise Refused(f"run {run.run_id} is {run.state}: {explained.words}", hint=hint)
    hint = f"see its state: attractor status {run.run_id}"
    raise Refused(f"a worker executes run {run.run_id}", hint=hint)


def _require_no_question(root: Path) -> None:
    directory = RunDirectory(root)
    if questions := open_journal(directory.events, directory.checkpoint).state.questions:
        asked = ", ".join(question.stage for question in questions)
        hint = f"answer it: attractor answer {root.name}"
        raise Refused(f"run {root.name} waits for an answer: {asked}", hint=hint)


def _raise_budgets(root: Path, opened: OpenProject, overrides: Overrides) -> None:
    """Record the budgets with which the next process of a run continues."""
    with _open_copy(root, opened) as run:
        known = current_request(run.manifest, run.state).budgets
        budgets = overrides.budgets.over(known)
        record_budgets(run, budgets, by_caller=budgets)


def _open_copy(root: Path, opened: OpenProject) -> OpenRun:
    """Open the copy of a run, which this process holds."""
    clock, redactor = opened.project.machine.clock, opened.project.redactor
    return open_run(root, clock=clock, redactor=redactor, fences=copy_fence, before_end=None)


def bring_copy(invocation: Invocation, root: Path) -> str:
    """Bring the copy of a run to its last committed head; return why the fleet does not answer."""

    async def work() -> None:
        async with open_dispatch(invocation, opened_of(invocation)) as dispatch:
            await dispatch.sync(first_of(root).name)

    try:
        asyncio.run(work())
    except Unavailable as away:
        return away.message
    return ""


def follow_copy(invocation: Invocation, root: Path) -> Sequence[Event]:
    """Bring the copy of a run to its last committed head; return the events after that."""

    async def work() -> Sequence[Event]:
        async with open_both(invocation, opened_of(invocation)) as (fleet, dispatch):
            run_id = first_of(root).name
            await dispatch.sync(run_id)
            return events_in(await fleet.tails.look(run_id))

    try:
        return asyncio.run(work())
    except Unavailable:
        return ()
