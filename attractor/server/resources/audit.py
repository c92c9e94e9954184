"""The ledger: its lines, its verification, and the decisions and promotions in it."""

from fastapi import APIRouter
from pydantic import Field

from attractor.base.durations import parse_since
from attractor.base.records import write_fields
from attractor.factory.history.audit import Flaw, audit
from attractor.factory.history.index import LedgerLine, LineQuery
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.operator_process import Scope
from attractor.growth.api.deployments import audit_releases
from attractor.server.access.callers import Caller
from attractor.server.http.cursors import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    read_number,
    write_cursor,
)
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel, JsonRecord, Name, Since
from attractor.server.http.scopes import ALL_PROJECTS, READ, Calling, ProjectService

part = APIRouter(tags=["audit"], responses=problem_statuses(400, 404, 409))


class LedgerLineAnswer(AnswerModel, of=LedgerLine):
    """A line of the ledger."""

    data: JsonRecord


class FlawAnswer(AnswerModel, of=Flaw):
    """A corrupt record, and the remedy."""

    run_id: str = Field(description="Empty for a record of no run.")
    is_foreign: bool = Field(description="Not corrupt, but written by another version.")


class AuditAnswer(AnswerModel):
    """The records that were verified, and their flaws."""

    intact: bool
    ledger_lines: int
    runs: int
    decisions: int
    results: int
    tokens: int
    versions: int
    releases: int = Field(description="Running apps of all projects; 0 with `run`.")
    unchecked_seals: int = Field(description="Above 0 only if the key of the ledger is missing.")
    removed: list[str] = Field(description="Undecided runs without a directory.")
    unjudged: list[str] = Field(
        description="Merges of pull requests into a branch that had moved: their trees were not "
        "judged."
    )
    flaws: list[FlawAnswer]


@part.get("/api/v1/audit/ledger", dependencies=[READ])
def list_ledger(
    service: ProjectService,
    caller: Calling,
    *,
    run: Name = "",
    kind: Name = "",
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
) -> Page[LedgerLineAnswer]:
    """List the lines of the ledger about this project, newest first.

    Lines about no project, such as those about tokens, are for callers of all projects; the hashes
    of tokens are for the scope `decide`.
    """
    query = LineQuery(
        service.opened.identity.project_id(),
        run_id=service.root(run).name if run else "",
        kind=kind,
        before=read_number(cursor),
        limit=limit + 1,
        is_whole=not caller.projects,
    )
    found = service.index.lines(service.project.runs_dir, query)
    items = [_answer(one, caller) for one in found[:limit]]
    return Page(items=items, next=write_cursor(found[limit - 1].seq) if len(found) > limit else "")


def _answer(line: LedgerLine, caller: Caller) -> LedgerLineAnswer:
    answer = LedgerLineAnswer.model_validate(write_fields(line))
    is_of_token = line.kind in (LineKind.TOKEN_CREATED, LineKind.TOKEN_REVOKED)
    if is_of_token and not caller.scope.includes(Scope.DECIDE):
        answer.data.pop("digest", None)
    return answer


@part.get("/api/v1/audit/verification", dependencies=[READ, ALL_PROJECTS])
def verify(service: ProjectService, run: Name = "") -> AuditAnswer:
    """Verify ledger, journals, decisions, results, tokens, versions and apps; or only a run."""
    root = service.root(run) if run else None
    report = audit(service.project.machine.state_dir, service.project.runs_dir, only=root)
    if not run:
        audit_releases(report, service.project.machine.state_dir, service.project.machine.environ)
    return AuditAnswer.model_validate(report.to_record())


@part.get("/api/v1/history", dependencies=[READ])
def list_history(
    service: ProjectService,
    *,
    run: Name = "",
    pipeline: Name = "",
    since: Since = "",
    cursor: Cursor = "",
    limit: Limit = DEFAULT_LIMIT,
) -> Page[JsonRecord]:
    """List decisions, waivers, amendments, promotions and roll-backs, oldest first."""
    moment = (
        parse_since(since, service.project.machine.clock.now(), name="since") if since else None
    )
    name = str(service.root(run)) if run else ""
    found = service.factory.history(run=name, pipeline=pipeline, since=moment)
    after = read_number(cursor)
    left = [one for one in found if one.entry.head.seq > after]
    is_last = len(left) <= limit
    following = "" if is_last else write_cursor(left[limit - 1].entry.head.seq)
    return Page(items=[one.to_record() for one in left[:limit]], next=following)
