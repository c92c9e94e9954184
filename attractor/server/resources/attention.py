"""What needs a person, over all projects: listed, settled, and left out for a time."""

from datetime import datetime
from functools import partial
from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from attractor.attention.causes import find_shown
from attractor.attention.evidence import Evidence
from attractor.attention.reading import Attention, read_attention
from attractor.attention.rows import AttentionRow, Choice, Settler, find_row, settle
from attractor.attention.snoozing import snooze, wake
from attractor.attention.sources.tasks import row_of_task
from attractor.base.durations import DURATION_PATTERN, parse_duration
from attractor.base.errors import Refused
from attractor.records.diagnosis.needs import row_of_answer
from attractor.server.access.callers import Caller
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel, JsonRecord
from attractor.server.http.scopes import (
    IN_TURN,
    OPERATE,
    READ,
    Calling,
    PathProjectService,
    ServerService,
    enter,
    require_scope,
)
from attractor.server.processes.bodies import AS_BEFORE, Body, Word, Words
from attractor.server.resources.stages import DiffAnswer
from attractor.server.resources.worlds import (
    ActorAnswer,
    ProjectPlace,
    actor_of,
    answer_of,
    sender_of,
)
from attractor.server.run_actions import answer_question, cancel_run, resume_walk
from attractor.server.service import Service
from attractor.worlds.actors import list_actors
from attractor.worlds.orders import mark_unseen
from attractor.worlds.status import ActorStatus, read_actor, read_actors

part = APIRouter(tags=["worlds"], responses=problem_statuses(400, 404, 409))


class FieldAnswer(AnswerModel):
    """A text that is typed with a choice."""

    name: str
    label: str
    is_required: bool
    is_long: bool


class ChoiceAnswer(AnswerModel, of=Choice):
    """One thing that a person can do: settle the row with `key`, `values` and typed fields."""

    letter: str = Field(description="Its key on a keyboard; empty without one.")
    fields: list[FieldAnswer]
    is_free: bool = Field(description="A text that is no other choice is its first field.")


class AttentionAnswer(AnswerModel):
    """One thing that needs a person, with the command that settles it."""

    id: str
    need: str
    project: ProjectPlace
    name: str
    actor: str
    run_id: str
    about: str = Field(description="What its run is about: issue, round of a pull request, goal.")
    reason: str
    since: datetime
    cost_usd: float
    unpriced_tokens: int = Field(description="The tokens of calls whose cost is unknown.")
    command: str
    questions: list[JsonRecord]
    choices: list[ChoiceAnswer]
    rows: list["AttentionAnswer"] = Field(
        default_factory=list["AttentionAnswer"],
        description="The failed tasks of a row about their common cause.",
    )


class OutputAnswer(AnswerModel):
    """The last lines that a stage answered or printed."""

    attempt: str
    outcome: str
    lines: list[str]


class LookAnswer(AnswerModel, of=Evidence):
    """What a person needs to choose: `task` and `said` are Markdown of people and agents."""

    outputs: list[OutputAnswer]
    changes: DiffAnswer


class SnoozeBody(Body):
    """How long a row is left out."""

    duration: Word = Field(default="1h", json_schema_extra={"pattern": DURATION_PATTERN})


class ChoiceBody(Body):
    """The decision about a task that is interrupted or blocked."""

    choice: Literal["go on", "start over", "leave"]


class HeldBody(Body):
    """What becomes of messages that wait because several runs stopped for one cause."""

    choice: Literal["go on", "leave"]


class DraftBody(Body):
    """The answer to a drafted desire of an app."""

    choice: Literal["accept", "dismiss"]
    reason: Words = ""


class SettleBody(Body):
    """What a person chose of the choices of a row, with the texts of its fields.

    Of a row about a common cause, only the named tasks are settled (default: all).
    """

    choice: Word
    fields: dict[str, Words] = Field(default_factory=dict[str, Words], max_length=10)
    rows: list[Word] = Field(default_factory=list[Word], max_length=1000)


class SettledAnswer(AnswerModel):
    """A settled row."""

    words: str = Field(description="What happened, and what happens next.")


class SettledDraft(AnswerModel):
    """An answered draft."""

    next: str = Field(description="The command that plans an accepted one, else empty.")


@part.get("/api/v1/attention", dependencies=[READ])
def list_attention(service: ServerService, caller: Calling) -> list[AttentionAnswer]:
    """List what needs a person in all projects, the oldest first."""
    rows = attention_of(service, caller).rows
    return [AttentionAnswer.model_validate(row.to_record()) for row in rows]


def attention_of(service: Service, caller: Caller, *, only_known: bool = False) -> Attention:
    """Return what needs a person in the projects that a caller may reach.

    `only_known` is as in `read_attention`.
    """
    return read_attention(
        service.project.machine.state_dir,
        service.opened.now(),
        service.processes.environ,
        reaches=caller.reaches,
        known=service.journals,
        only_known=only_known,
    )


@part.get("/api/v1/attention/{row:path}/evidence", dependencies=[READ, IN_TURN])
def show_evidence(service: ServerService, caller: Calling, row: str) -> LookAnswer:
    """Return what a person needs to choose what becomes of a row."""
    found = find_row(row, attention_of(service, caller).rows)
    return LookAnswer.model_validate(look_at(service, caller, found).to_record())


def look_at(service: Service, caller: Caller, row: AttentionRow) -> Evidence:
    """Return what a person needs to choose what becomes of a row."""
    return row.evidence(lambda: enter(service, caller, row.project.project_id).opened)


@part.post("/api/v1/attention/{row:path}/snooze", status_code=204, dependencies=[OPERATE])
def snooze_row(service: ServerService, caller: Calling, row: str, body: SnoozeBody) -> None:
    """Leave a row out for a time."""
    state, now = service.project.machine.state_dir, service.opened.now()
    found = find_row(row, attention_of(service, caller).rows)
    snooze(state, found, now + parse_duration(body.duration), now)


@part.post("/api/v1/attention/{row:path}/wake", status_code=204, dependencies=[OPERATE, IN_TURN])
def wake_row(service: ServerService, caller: Calling, row: str) -> None:
    """Show a row again that was left out, or whose answer was marked as seen last."""
    state, now = service.project.machine.state_dir, service.opened.now()
    views = read_actors(list_actors(state), known=service.journals)
    seen = [one for one in views if one.history.seen and row == row_of_answer(one.history.seen)]
    for view in seen:
        # A project that the caller does not reach is refused.
        opened = enter(service, caller, view.folder.project.project_id).opened
        mark_unseen(view.folder, view.history.seen, sender_of(caller), opened)
    if not seen:
        wake(state, [find_row(row, attention_of(service, caller).asleep)], now)


@part.post("/api/v1/attention/{row:path}/settle", dependencies=[OPERATE, IN_TURN])
def settle_row(
    service: ServerService, caller: Calling, row: str, body: SettleBody
) -> SettledAnswer:
    """Do what a person chose of the `choices` of a row, with the `scope` of the choice.

    Refused if the row is not there any more.
    """
    rows = attention_of(service, caller).rows
    found = find_shown(row, body.rows, rows)
    settler = _settler(enter(service, caller, found.project.project_id), caller)
    return SettledAnswer(words=settle(found, body.choice, body.fields, settler))


@part.post(
    "/api/v1/attention/{row:path}/seen",
    status_code=204,
    dependencies=[OPERATE, IN_TURN],
    deprecated=True,
)
def see_row(service: ServerService, caller: Calling, row: str) -> None:
    """Record that the answers of a row were seen, as the choice `seen` of `settle`."""
    settle_row(service, caller, row, SettleBody(choice="seen"))


@part.post(
    "/api/v1/attention/{row:path}/held",
    status_code=204,
    dependencies=[OPERATE, IN_TURN],
    deprecated=True,
)
def settle_held_row(service: ServerService, caller: Calling, row: str, body: HeldBody) -> None:
    """Decide what becomes of held messages, as `settle` does."""
    settle_row(service, caller, row, SettleBody(choice=body.choice))


@part.post("/api/v1/attention/{row:path}/draft", dependencies=[OPERATE, IN_TURN], deprecated=True)
def settle_draft_row(
    service: ServerService, caller: Calling, row: str, body: DraftBody
) -> SettledDraft:
    """Make a desire of a draft, or dismiss it, as `settle` does."""
    fields = {"reason": body.reason} if body.reason else {}
    words = settle_row(service, caller, row, SettleBody(choice=body.choice, fields=fields)).words
    return SettledDraft(next=words.partition("next: ")[2])


def _settler(service: Service, caller: Caller) -> Settler:
    def cancel(run_id: str, why: str) -> None:
        cancel_run(service, run_id, caller, why)

    def resume(run_id: str) -> str:
        return resume_walk(service, run_id, caller, AS_BEFORE).words

    def answer(run_id: str, question: str, answer: str) -> str:
        return answer_question(service, run_id, caller, answer=answer, question=question).words

    require = partial(require_scope, caller)
    return Settler(sender_of(caller), service.opened, require, cancel, resume, answer)


@part.post(
    "/api/v1/actors/{project}/{name}/interrupted",
    dependencies=[OPERATE, IN_TURN],
    deprecated=True,
)
def settle_interrupted(
    service: PathProjectService, caller: Calling, name: str, body: ChoiceBody
) -> ActorAnswer:
    """Decide what becomes of a task that is interrupted or blocked, as `settle` does."""
    folder = actor_of(service, name)
    view = read_actor(folder)
    if not (view.task and view.status in (ActorStatus.INTERRUPTED, ActorStatus.BLOCKED)):
        raise Refused(f"the actor {name} is {view.status}", hint="look again")
    settle(row_of_task(view, view.task), body.choice, {}, _settler(service, caller))
    return answer_of(folder)
