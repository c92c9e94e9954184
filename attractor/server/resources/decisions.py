"""The verdict of the gate, decisions on runs, and promotions."""

import asyncio
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, JsonValue

from attractor.base.durations import DURATION_PATTERN, parse_duration
from attractor.factory.decisions.decide import SHORTEST_RATIONALE, DecisionKind, answers_of
from attractor.factory.evaluation.failed_scenarios import verdict_record
from attractor.factory.history.records import entry_record
from attractor.factory.operations.evaluate import ask_gate
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import JsonRecord
from attractor.server.http.scopes import DECIDE, READ, Calling, ProjectService, ToOperator
from attractor.server.processes.bodies import Body, some_of

part = APIRouter(tags=["decisions"], responses=problem_statuses(400, 404, 409))


# The gate counts the visible characters, and its error has a hint.
_WRITTEN: Mapping[str, JsonValue] = {"minLength": SHORTEST_RATIONALE}
Reason = Annotated[str, Field(json_schema_extra={**_WRITTEN})]
Branch = Annotated[str, Field(min_length=1)]


class NewDecision(Body):
    """A decision on a run, which is final."""

    verdict: DecisionKind
    rationale: Reason = Field(description="The reason in one sentence.")
    agree: list[int] = Field(default=[], description="Numbers of findings that are agreed with.")
    dismiss: list[int] = Field(default=[], description="Numbers of findings that are dismissed.")


class NewWaiver(Body):
    """A waiver of a failed scenario, for one run."""

    scenario: str = Field(description="The id, or the start of the opaque name.")
    reason: Reason = Field(description="The reason in one sentence.")
    expires: str = Field(
        default="7d",
        description="A duration, at most 14d.",
        json_schema_extra={"pattern": DURATION_PATTERN},
    )


class NewAmendment(Body):
    """Words that are added to a decision, or a mark on an approval."""

    model_config = some_of(
        "anyOf", rationale=_WRITTEN, note=_WRITTEN, defect=_WRITTEN, no_defect=_WRITTEN
    )

    rationale: str = Field(default="", description="Replaces the reason of the decision.")
    note: str = ""
    defect: str = Field(default="", description="What went wrong after the approval.")
    repaired_by: str = Field(default="", description="The commit that repaired the defect.")
    no_defect: str = Field(default="", description="Why a mark of a defect is withdrawn.")


class NewPromotion(Body):
    """The branch that gets the result of a run."""

    branch: Branch = "main"


class NewRollback(Body):
    """The branch that loses the result of a run, and the reason."""

    branch: Branch = "main"
    reason: Reason = Field(description="The reason in one sentence.")


class PromotedBranch(BaseModel):
    """A branch after a promotion or a rollback."""

    branch: str
    commit: str
    tag: str = ""
    was_done: bool = Field(description="The branch was in this state before.")


@part.get("/api/v1/runs/{run}/gate", dependencies=[READ])
def judge(service: ProjectService, run: str, operator: ToOperator) -> JsonRecord:
    """Judge a run: go or no-go, with each rule, its figure and its threshold."""
    _, judged = ask_gate(service.root(run), service.opened)
    return verdict_record(judged, to_operator=operator)


@part.get("/api/v1/runs/{run}/review", dependencies=[READ])
def review(service: ProjectService, run: str, operator: ToOperator) -> JsonRecord:
    """Show the facts for a decision on a run: changes, rules, trials, cost and time."""
    found = asyncio.run(service.factory.review(service.root(run)))
    return found.to_record(to_operator=operator)


@part.post("/api/v1/runs/{run}/decision", dependencies=[DECIDE], status_code=201)
def decide(service: ProjectService, caller: Calling, run: str, body: NewDecision) -> JsonRecord:
    """Approve or reject a run; an approval requires that the gate says go."""
    answers = answers_of(body.agree, body.dismiss)
    entry = service.factory.decide(
        service.root(run), body.verdict, body.rationale, token=caller.token, answers=answers
    )
    return entry_record(entry)


@part.post("/api/v1/runs/{run}/waivers", dependencies=[DECIDE], status_code=201)
def waive(service: ProjectService, caller: Calling, run: str, body: NewWaiver) -> JsonRecord:
    """Waive a failed scenario of a run until a time."""
    entry = service.factory.waive(
        service.root(run),
        body.scenario,
        body.reason,
        token=caller.token,
        expires_in=parse_duration(body.expires),
    )
    return entry_record(entry)


@part.post("/api/v1/runs/{run}/amendments", dependencies=[DECIDE], status_code=201)
def amend(service: ProjectService, caller: Calling, run: str, body: NewAmendment) -> JsonRecord:
    """Add words to the decision on a run; the verdict stays."""
    entry = service.factory.amend(service.root(run), token=caller.token, **body.model_dump())
    return entry_record(entry)


@part.post("/api/v1/runs/{run}/promotion", dependencies=[DECIDE])
def promote(
    service: ProjectService, caller: Calling, run: str, body: NewPromotion
) -> PromotedBranch:
    """Move a Git branch to the result of an approved run."""
    root = service.root(run)
    done = asyncio.run(service.factory.promote(root, by=caller.name, to=body.branch))
    return PromotedBranch.model_validate(vars(done))


@part.post("/api/v1/runs/{run}/rollback", dependencies=[DECIDE])
def roll_back(
    service: ProjectService, caller: Calling, run: str, body: NewRollback
) -> PromotedBranch:
    """Revert the promotion of a run by a new commit."""
    root, branch = service.root(run), body.branch
    done = asyncio.run(service.factory.roll_back(root, body.reason, by=caller.name, branch=branch))
    return PromotedBranch.model_validate(vars(done))
