"""What needs a person, over all projects: questions, decisions, work to review, and what failed.

Every row is read at the moment of asking, so a row that is settled anywhere is gone everywhere.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, VerificationError
from attractor.base.files import write_whole
from attractor.base.json import Json, canonical_json
from attractor.base.locks import FileLock
from attractor.base.records import read_object, write_fields
from attractor.engine.questions.question import Question
from attractor.engine.state.run_state import Phase, StatusWord
from attractor.factory.history.index import RunIndex, RunQuery
from attractor.factory.project import ProjectFolder, list_project_folders
from attractor.records.diagnosis.failures import budget_option
from attractor.records.open_work import answer_command
from attractor.records.summary import RunOverview
from attractor.worlds.actors import list_actors
from attractor.worlds.messages import SenderKind
from attractor.worlds.status import ActorStatus, ActorView, read_actors

_SNOOZED, _LOCK = "snoozed.json", "snoozed.lock"
_PATIENCE_S = 10.0

ReadRuns = Callable[[Path, RunQuery], Iterable[RunOverview]]
"""Type of a function that returns the runs of a folder that a query finds."""


class Need(StrEnum):
    """What a person is needed for."""

    QUESTION = "question"
    DECISION = "decision"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    REVIEW = "review"
    ANSWERED = "answered"
    LIMIT = "limit"
    PLAN = "plan"
    APP = "app"


@dataclass(frozen=True, kw_only=True)
class AttentionRow:
    """One thing that needs a person, with the command that settles it.

    `id` is the same as long as it is the same thing. `run` is the overview of a run, `actor` is set
    for the work of an actor.
    """

    id: str
    need: Need
    project: ProjectFolder
    name: str
    reason: str
    since: datetime
    cost_usd: float
    command: str
    run_id: str = ""
    questions: Sequence[Question] = ()
    actor: ActorView | None = None

    def to_record(self) -> dict[str, Json]:
        """Return the row as JSON."""
        return {
            "id": self.id,
            "need": self.need.value,
            "project": {"id": self.project.project_id, "folder": str(self.project.root)},
            "name": self.name,
            "actor": self.actor.name if self.actor else "",
            "run_id": self.run_id,
            "reason": self.reason,
            "since": self.since.isoformat(),
            "cost_usd": round(self.cost_usd, 6),
            "command": self.command,
            "questions": [write_fields(question) for question in self.questions],
        }


@dataclass(frozen=True)
class Attention:
    """What needs a person now, the oldest first, and what cannot be read."""

    rows: Sequence[AttentionRow]
    snoozed: int
    troubles: Sequence[str]


def read_attention(
    state: Path,
    now: datetime,
    *,
    reaches: Callable[[str], bool] = lambda project_id: True,
    views: Sequence[ActorView] | None = None,
    only_known: bool = False,
) -> Attention:
    """Return what needs a person in all projects of a state folder, without what is snoozed.

    `reaches` says which projects are read, by their ids; `views` has their actors, if they are
    read already. With `only_known`, runs that the index does not have yet are left out.
    """
    rows, troubles = list[AttentionRow](), list[str]()
    if views is None:
        actors = [one for one in list_actors(state) if reaches(one.project.project_id)]
        views = read_actors(actors, troubles.append)
    for view in views:
        rows += _rows_of_actor(view)
    of_actors = {row.run_id for row in rows if row.run_id}
    projects = [one for one in list_project_folders(state) if reaches(one.project_id)]
    try:
        with RunIndex(state).opened() as index:
            for project in projects:
                read = index.known if only_known else index.runs
                rows += _rows_of_project(read, project, of_actors, troubles.append)
    except AttractorError as fault:
        troubles.append(f"the runs of the projects cannot be read: {fault.message}")
    snoozed = read_snoozed(state)
    awake = [row for row in rows if snoozed.get(row.id, "") <= now.isoformat()]
    awake.sort(key=lambda row: row.since)
    return Attention(awake, len(rows) - len(awake), troubles)


def _rows_of_actor(view: ActorView) -> Iterator[AttentionRow]:
    last = view.history.last
    project = view.folder.project
    match view.status:
        case ActorStatus.ASKING if view.run:
            yield _question_row(view.run, project, view)
        case ActorStatus.INTERRUPTED if view.task:
            yield AttentionRow(
                project=project,
                name=view.name,
                actor=view,
                id=f"interrupted:{view.task.run_id}",
                need=Need.INTERRUPTED,
                reason=f"its process died while it worked on: {view.task.message.text}",
                since=view.since,
                cost_usd=view.cost_usd,
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
                id=f"answered:{last.message.id}",
                need=need.get(view.status, Need.ANSWERED),
                reason=last.reason or last.words,
                since=last.at,
                cost_usd=view.cost_usd,
                command=f"attractor actor seen {view.name}",
                run_id=last.run_id,
            )
        case _:
            pass


def _is_for_a_person(view: ActorView) -> bool:
    """Return whether a person waits for the last answer; another actor gets it in its inbox."""
    last = view.history.last
    is_asked = bool(last) and last.message.sender.kind is SenderKind.PERSON
    return is_asked or view.status is not ActorStatus.IDLE


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
                reason=run.goal or run.pipeline,
                since=run.written or run.started,
                cost_usd=run.usage.cost_usd,
                command=f"attractor decide {run.run_id}",
                run_id=run.run_id,
            )
        elif run.questions:
            yield _question_row(run, project)
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
        cost_usd=run.usage.cost_usd,
        command=f"attractor resume {run.run_id} {shlex.join(option)}",
        run_id=run.run_id,
    )


def _rows_of_growth(project: ProjectFolder) -> Iterator[AttentionRow]:
    """Yield the plans of an app that wait for a person, and the app if it went down."""
    if not (growth := project.runs_dir / "growth").is_dir():
        return
    # Imported here, because only projects with an app need it.
    from attractor.growth.deployment.start import down_app
    from attractor.growth.plans.store import plans_that_wait
    from attractor.supervision.process import ProcessStatus

    at = f"cd {shlex.quote(str(project.root))} && attractor grow status"
    for plan in plans_that_wait(growth):
        yield AttentionRow(
            id=f"plan:{plan.id}:{plan.state}",
            need=Need.PLAN,
            project=project,
            name=plan.id,
            reason=f"the plan is {plan.state}",
            since=plan.since,
            cost_usd=0.0,
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
            cost_usd=0.0,
            command="attractor up --once",
        )


def _question_row(
    run: RunOverview, project: ProjectFolder, actor: ActorView | None = None
) -> AttentionRow:
    ids = "+".join(question.id for question in run.questions)
    return AttentionRow(
        id=f"question:{run.run_id}:{ids}",
        need=Need.QUESTION,
        project=project,
        name=actor.name if actor else run.run_id,
        reason=run.questions[0].text,
        since=run.written or run.started,
        cost_usd=run.usage.cost_usd,
        command=answer_command(run.run_id, "CHOICE"),
        run_id=run.run_id,
        questions=run.questions,
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
