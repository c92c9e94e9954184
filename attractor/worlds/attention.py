"""What needs a person, over all projects: questions, decisions, work to review, and what failed.

Every row is read at the moment of asking, so a row that is settled anywhere is gone everywhere.
"""

import shlex
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from attractor.automations.store import list_automations, list_faults
from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, VerificationError
from attractor.base.files import write_whole
from attractor.base.json import canonical_json, content_hash
from attractor.base.locks import FileLock
from attractor.base.names import find_named
from attractor.base.records import read_object, write_fields
from attractor.engine.outcome import NOTHING_USED
from attractor.engine.state.run_state import Phase, StatusWord
from attractor.factory.history.index import OpenIndex, RunIndex, RunQuery
from attractor.factory.open_project import open_project
from attractor.factory.project import ProjectFolder, list_project_folders
from attractor.factory.promotion_queue import PromotionQueue, PromotionQueues, QueuedRun, is_stuck
from attractor.factory.pull_readings import SHOWN, PullReadings, pull_step
from attractor.records.diagnosis.causes import Cause, cause_of
from attractor.records.diagnosis.failures import budget_option
from attractor.records.open_work import answer_command
from attractor.records.summary import RunOverview
from attractor.worlds.actors import list_actors
from attractor.worlds.breaker import Hold, read_holds
from attractor.worlds.messages import SenderKind
from attractor.worlds.rows import ANSWERED, AttentionRow, Need
from attractor.worlds.status import ActorStatus, ActorView, KnownJournals, read_actors

_SNOOZED, _LOCK = "snoozed.json", "snoozed.lock"
_PATIENCE_S = 10.0

ReadRuns = Callable[[Path, RunQuery], Iterable[RunOverview]]
"""Type of a function that returns the runs of a folder that a query finds."""


@dataclass(frozen=True)
class Attention:
    """What needs a person now, the oldest first, and what cannot be read."""

    rows: Sequence[AttentionRow]
    snoozed: int
    troubles: Sequence[str]


def read_attention(
    state: Path,
    now: datetime,
    environ: Mapping[str, str],
    *,
    reaches: Callable[[str], bool] = lambda project_id: True,
    views: Sequence[ActorView] | None = None,
    known: KnownJournals | None = None,
    only_known: bool = False,
    others: Sequence[AttentionRow] = (),
) -> Attention:
    """Return what needs a person in all projects of a state folder, without what is snoozed.

    The settings of a project are read with `environ`. `reaches` says which projects are read, by
    their ids; `views` has their actors, if they are read already; `known` are the parts of journals
    that were read before. With `only_known`, runs that the index does not have yet are left out.
    `others` are rows of what is above this room.
    """
    rows, troubles = [*others], list[str]()
    if views is None:
        actors = [one for one in list_actors(state) if reaches(one.project.project_id)]
        views = read_actors(actors, troubles.append, known)
    for view in views:
        rows += rows_of_actor(view)
    rows += _rows_of_holds(views, {**environ, "ATTRACTOR_STATE_DIR": str(state)}, troubles.append)
    of_actors = {row.run_id for row in rows if row.run_id and row.need is not Need.HELD}
    projects = [one for one in list_project_folders(state) if reaches(one.project_id)]
    snoozed = {id_ for id_, until in read_snoozed(state).items() if until > now.isoformat()}
    try:
        with RunIndex(state).opened() as index:
            for project in projects:
                read = index.known if only_known else index.runs
                rows += _rows_of_project(read, project, of_actors, troubles.append)
            awake = _group([row for row in rows if row.id not in snoozed], index)
    except AttractorError as fault:
        troubles.append(f"the runs of the projects cannot be read: {fault.message}")
        awake = rows
    asked, further = {row.run_id for row in rows if row.need is Need.DECISION}, list[AttentionRow]()
    for project in projects:
        for name, found in _other_rows_of_project(project, state, environ, now, asked):
            further += _rows_until_fault(found, f"the {name} of {project.root}", troubles.append)
    awake = [row for row in (*awake, *further) if row.id not in snoozed]
    awake.sort(key=lambda row: row.since)
    left = sum(len(row.rows) or 1 for row in awake)
    return Attention(awake, len(rows) + len(further) - left, troubles)


def find_rows(name: str, rows: Sequence[AttentionRow]) -> Sequence[AttentionRow]:
    """Return the rows with one name in one project; `PROJECT/NAME` names the folder of it."""

    def names_of(row: AttentionRow) -> Sequence[str]:
        return (row.name, f"{row.project.root.name}/{row.name}", f"{row.project.root}/{row.name}")

    by_place = {names_of(row)[-1]: row for row in rows}
    found = names_of(find_named("row of attention", name, by_place.values(), names_of))[-1]
    return [row for row in rows if names_of(row)[-1] == found]


def _group(rows: Sequence[AttentionRow], index: OpenIndex) -> list[AttentionRow]:
    """Return the rows with one row for the failed tasks of each cause, from two tasks on."""
    failed = [row for row in rows if row.need is Need.FAILED and not budget_option(row.reason)]
    if len(failed) < 2:
        return [*rows]
    known = index.causes([row.run_id for row in failed if row.run_id])
    groups: defaultdict[tuple[str, Cause], list[AttentionRow]] = defaultdict(list)
    for row in failed:
        # A task that was refused has no run.
        cause = known.get(row.run_id) if row.run_id else _cause_of_refusal(row)
        if cause:
            groups[row.project.project_id, cause].append(row)
    common = {cause: found for cause, found in groups.items() if len(found) > 1}
    grouped = {row.id for found in common.values() for row in found}
    single = [row for row in rows if row.id not in grouped]
    return [*single, *(_row_of_cause(cause, found) for (_, cause), found in common.items())]


def _cause_of_refusal(row: AttentionRow) -> Cause:
    actor = row.actor.history.actor if row.actor else None
    return cause_of(row.reason, pipeline=actor.pipeline if actor else "")


def _row_of_cause(cause: Cause, rows: Sequence[AttentionRow]) -> AttentionRow:
    rows = sorted(rows, key=lambda row: row.since)
    project = rows[0].project
    key = canonical_json([project.project_id, write_fields(cause)])
    return AttentionRow(
        id=f"cause:{content_hash(key.encode())}",
        need=Need.FAILED,
        project=project,
        name=f"{len(rows)} tasks",
        reason=f"{cause.reason} ({cause.place})",
        since=rows[0].since,
        usage=sum((row.usage for row in rows), NOTHING_USED),
        command="attractor attention next",
        rows=rows,
    )


def rows_of_actor(view: ActorView) -> Iterator[AttentionRow]:
    """Yield what an actor needs of a person."""
    last = view.history.last
    project = view.folder.project
    match view.status:
        case ActorStatus.ASKING if view.run:
            yield from _question_rows(view.run, project, view)
        case (ActorStatus.INTERRUPTED | ActorStatus.BLOCKED) as status if view.task:
            found = f"its process died while it worked on: {view.task.message.text}"
            yield AttentionRow(
                project=project,
                name=view.name,
                actor=view,
                id=f"{status}:{view.task.run_id}",
                need=Need(status.value),
                reason=view.task.obstacle or found,
                since=view.since,
                usage=view.usage,
                command="attractor attention next",
                run_id=view.task.run_id,
            )
        case ActorStatus.FAILED | ActorStatus.REVIEW | ActorStatus.IDLE if (
            last and last.message.id != view.history.seen and _is_for_a_person(view)
        ):
            need = {ActorStatus.FAILED: Need.FAILED, ActorStatus.REVIEW: Need.REVIEW}
            yield AttentionRow(
                project=project,
                name=view.name,
                actor=view,
                id=f"{ANSWERED}{last.message.id}",
                need=need.get(view.status, Need.ANSWERED),
                reason=last.reason or last.words,
                since=last.at,
                usage=view.usage,
                command=f"attractor actor seen {view.name}",
                run_id=last.run_id,
            )
        case _:
            pass


def _rows_of_holds(
    views: Iterable[ActorView], environ: Mapping[str, str], tell: Callable[[str], None]
) -> Iterator[AttentionRow]:
    """Yield a row for each cause for which messages wait."""
    held: defaultdict[str, list[tuple[ActorView, Hold]]] = defaultdict(list)
    by_project: defaultdict[ProjectFolder, list[ActorView]] = defaultdict(list)
    for view in views:
        by_project[view.folder.project].append(view)
    for project, own in by_project.items():
        has_failed = any(not one.succeeded for view in own for one in view.history.answers)
        if not (has_failed and project.root.is_dir()):
            continue
        try:
            holds = read_holds(project, open_project(project.root, environ))
            for view in own:
                hold = holds.of(view.name) if view.can_begin else None
                if hold and not hold.tried:
                    held[f"{project.project_id}:{hold.id}"].append((view, hold))
        except AttractorError as fault:
            tell(f"the causes of the runs of {project.root} cannot be read: {fault.message}")
    for id_, found in held.items():
        (first, hold), waiting = found[0], [view for view, _ in found]
        last = hold.runs[-1]
        messages = sum(len(view.waiting) for view in waiting)
        yield AttentionRow(
            id=f"held:{id_}:{last.run_id}",
            need=Need.HELD,
            project=first.folder.project,
            name=last.pipeline,
            reason=f"{hold.words}; {number_of(messages, 'message')} not begun",
            since=last.ended,
            command="attractor attention next",
            run_id=last.run_id,
            hold=hold,
            held=sorted(waiting, key=lambda view: view.waits_since),
        )


def _is_for_a_person(view: ActorView) -> bool:
    """Return whether a person waits for the last answer; another actor gets it in its inbox."""
    last = view.history.last
    is_asked = bool(last) and last.message.sender.kind is SenderKind.PERSON
    return is_asked or view.status is not ActorStatus.IDLE


def _rows_of_automations(
    project: ProjectFolder, state: Path, environ: Mapping[str, str]
) -> Iterator[AttentionRow]:
    """Yield the automations that were edited, or of which a start failed."""
    # Most projects have none, and are not opened.
    if not list_automations(state, project.project_id) or not project.root.is_dir():
        return
    opened = open_project(project.root, {**environ, "ATTRACTOR_STATE_DIR": str(state)})
    for fault in list_faults(opened):
        yield AttentionRow(
            id=f"automation:{project.project_id}:{fault.name}:{fault.key}",
            need=Need.AUTOMATION,
            project=project,
            name=fault.name,
            reason=fault.reason,
            since=fault.since,
            command=f"{in_project(project)}attractor automation show {fault.name}",
        )


def _other_rows_of_project(
    project: ProjectFolder,
    state: Path,
    environ: Mapping[str, str],
    now: datetime,
    asked: Collection[str],
) -> Iterator[tuple[str, Iterator[AttentionRow]]]:
    """Yield the other rows of a project, each group after its name for a message."""
    yield "automations", _rows_of_automations(project, state, environ)
    yield "drafts", _rows_of_drafts(project, now)
    yield "queues", _rows_of_queues(state, project, now, asked)
    yield "pull requests", _rows_of_pulls(state, project, now)


def _rows_until_fault(
    rows: Iterator[AttentionRow], name: str, tell: Callable[[str], None]
) -> Iterator[AttentionRow]:
    """Yield rows; report the fault that ends them."""
    try:
        yield from rows
    except (AttractorError, OSError) as fault:
        words = fault.message if isinstance(fault, AttractorError) else str(fault)
        tell(f"{name} cannot be read: {words}")


def _rows_of_project(
    read: ReadRuns, project: ProjectFolder, of_actors: set[str], tell: Callable[[str], None]
) -> list[AttentionRow]:
    try:
        if project.has_runs:
            runs = list(_rows_of_runs(read, project, besides=of_actors))
            return [*runs, *_rows_of_growth(project)]
    except AttractorError as fault:
        tell(f"the runs of {project.root} cannot be read: {fault.message}")
    return []


def _rows_of_queues(
    state: Path,
    project: ProjectFolder,
    now: datetime,
    asked: Collection[str],
) -> Iterator[AttentionRow]:
    """Yield the runs that a queue of promotions gave back, and the queues that are stuck.

    A queue that waits for a decision on a run in `asked` needs nothing else.
    """
    queues, at = PromotionQueues.in_state(state, project.project_id), in_project(project)
    for queue in queues.all():
        for run in queue.runs:
            if run.returned:
                again = f"attractor run FILE --feedback {run.current} && " if run.conflicts else ""
                end = f"{at}{again}{queue.removal(run)}"
                yield _queue_row(project, queue, run, run.returned, end)
        first, holder = queue.first, queues.holder(queue.branch)
        if first and first.current not in asked and is_stuck(first, now, is_held=bool(holder)):
            behind = number_of(len(queue.waiting) - 1, "run")
            words = f"{first.trouble or 'no process promotes it'}; {behind} behind it"
            next_ = f"{at}attractor queue run --branch {shlex.quote(queue.branch)}"
            yield _queue_row(project, queue, first, words, next_)


def _queue_row(
    project: ProjectFolder, queue: PromotionQueue, run: QueuedRun, words: str, command: str
) -> AttentionRow:
    return AttentionRow(
        id=f"queue:{project.project_id}:{queue.branch}:{run.current}:{run.returned or run.trouble}",
        need=Need.QUEUE,
        project=project,
        name=f"queue of {queue.branch}",
        reason=f"{run.run_id} did not land on {queue.branch}: {words}",
        since=run.since,
        command=command,
        run_id=run.current,
    )


def _rows_of_pulls(state: Path, project: ProjectFolder, now: datetime) -> Iterator[AttentionRow]:
    """Yield the pull requests that wait for a person here, as they were read last."""
    for reading in PullReadings.in_state(state, project.project_id).all():
        step = pull_step(reading)
        if step is None or (reading.merged_outside and now - reading.since > SHOWN):
            continue
        yield AttentionRow(
            id=f"pull:{project.project_id}:{reading.url}:{step.words}",
            need=Need.PULL_REQUEST,
            project=project,
            name=f"pull request {reading.number}",
            reason=f"{reading.url}: {step.words}",
            since=reading.since,
            command=f"{in_project(project)}{step.command}",
            run_id=reading.run_id,
        )


def _rows_of_drafts(project: ProjectFolder, now: datetime) -> Iterator[AttentionRow]:
    """Yield the drafted desires of the running app."""
    if not (growth := project.runs_dir / "growth").is_dir():
        return
    # Imported here, because only projects with an app need it.
    from attractor.growth.deployment.draft_store import DraftStore

    at = f"{in_project(project)}attractor grow feedback"
    for draft in DraftStore(growth).open(now):
        fault = f"\nIt cannot become a desire: {draft.fault}" if draft.fault else ""
        yield AttentionRow(
            id=f"draft:{project.project_id}:{draft.id}",
            need=Need.DRAFT,
            project=project,
            name=draft.id,
            reason=f"{draft.goal}{fault}",
            since=draft.since,
            command=f"{at} --{'dismiss' if draft.fault else 'accept'} {draft.id}",
        )


def _rows_of_runs(
    read: ReadRuns, project: ProjectFolder, *, besides: set[str]
) -> Iterator[AttentionRow]:
    for run in read(project.runs_dir, RunQuery(status=StatusWord.AWAITING_HUMAN)):
        if run.run_id in besides:
            continue
        if run.phase == Phase.DECISION:
            yield AttentionRow(
                id=f"decision:{run.run_id}",
                need=Need.DECISION,
                project=project,
                name=run.run_id,
                reason=run.subject,
                since=run.written or run.started,
                usage=run.usage,
                command=f"attractor decide {run.run_id}",
                run_id=run.run_id,
                about=run.subject,
            )
        elif run.questions:
            yield from _question_rows(run, project)
    for run in read(project.runs_dir, RunQuery(status=StatusWord.EXECUTING)):
        option = budget_option(run.why_stopped)
        # A task that a limit stopped has failed, and is a row of its actor.
        if run.is_stopped and option and not run.actor:
            yield _limit_row(run, project, option)


def _limit_row(run: RunOverview, project: ProjectFolder, option: Sequence[str]) -> AttentionRow:
    return AttentionRow(
        id=f"limit:{run.run_id}:{run.why_stopped}",
        need=Need.LIMIT,
        project=project,
        name=run.run_id,
        reason=run.why_stopped,
        since=run.written or run.started,
        usage=run.usage,
        command=f"attractor resume {run.run_id} {shlex.join(option)}",
        run_id=run.run_id,
        about=run.subject,
    )


def in_project(project: ProjectFolder) -> str:
    """Return the beginning of a command of a project."""
    return f"cd {shlex.quote(str(project.root))} && "


def _rows_of_growth(project: ProjectFolder) -> Iterator[AttentionRow]:
    """Yield the plans of an app that wait for a person, and the app if it went down."""
    if not (growth := project.runs_dir / "growth").is_dir():
        return
    # Imported here, because only projects with an app need it.
    from attractor.growth.deployment.start import down_app
    from attractor.growth.plans.store import plans_that_wait
    from attractor.supervision.process import ProcessStatus

    at = f"{in_project(project)}attractor grow status"
    for plan in plans_that_wait(growth):
        yield AttentionRow(
            id=f"plan:{plan.id}:{plan.state}",
            need=Need.PLAN,
            project=project,
            name=plan.id,
            reason=f"the plan is {plan.state}",
            since=plan.since,
            command=f"{at} {plan.id}",
        )
    if app := down_app(project):
        left = ", and its processes are left" if app.status is ProcessStatus.LEFT else ""
        yield AttentionRow(
            id=f"app:{project.project_id}:{app.since.isoformat()}",
            need=Need.APP,
            project=project,
            name=project.root.name,
            reason=f"the app went down{left}",
            since=app.since,
            command="attractor up --once",
        )


def _question_rows(
    run: RunOverview, project: ProjectFolder, actor: ActorView | None = None
) -> Iterator[AttentionRow]:
    several = len(run.questions) > 1
    for question in run.questions:
        yield AttentionRow(
            id=f"question:{run.run_id}:{question.id}",
            need=Need.QUESTION,
            project=project,
            name=actor.name if actor else run.run_id,
            reason=question.text,
            since=run.written or run.started,
            usage=run.usage,
            command=answer_command(run.run_id, "CHOICE", question=question.id if several else ""),
            run_id=run.run_id,
            about=run.subject,
            questions=[question],
            actor=actor,
        )


def read_snoozed(state: Path) -> Mapping[str, str]:
    """Return the times until which rows are snoozed, by the ids of the rows."""
    file = state / _SNOOZED
    if not file.exists():
        return {}
    found = read_object(file, VerificationError)
    return {id_: str(until) for id_, until in found.items()}


def snooze(state: Path, row: AttentionRow, until: datetime, now: datetime) -> None:
    """Leave a row out until a time; rows whose time is over are forgotten."""
    with FileLock(state / _LOCK).acquire(wait=_PATIENCE_S):
        kept = {id_: one for id_, one in read_snoozed(state).items() if one > now.isoformat()}
        write_whole(state / _SNOOZED, canonical_json({**kept, row.id: until.isoformat()}))
