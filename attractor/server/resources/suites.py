"""The suites of the project: versions and history, without hidden words; register and end them."""

import asyncio

from fastapi import APIRouter
from pydantic import Field

from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.evaluation.suite_history import suite_history
from attractor.factory.registration.register_suite import register_suite
from attractor.factory.resources.suites import suite_record
from attractor.factory.resources.versions import ARCHIVED, BURNED
from attractor.pipeline.source.files import path_in
from attractor.server.http.cursors import DEFAULT_LIMIT, Cursor, Limit, Page
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel, JsonRecord, Name
from attractor.server.http.scopes import DECIDE, READ, Calling, ProjectService, ToOperator
from attractor.server.http.versions import EndBody, Reference, VersionAnswer, end, list_versions
from attractor.server.processes.bodies import Body, Word

part = APIRouter(tags=["suites"], responses=problem_statuses(400, 404, 409))


class SuiteAnswer(VersionAnswer):
    """A version of a suite: its settings, and the scenarios that are not hidden."""

    settings: JsonRecord
    holdouts: int = Field(description="The number of hidden scenarios.")
    scenarios: list[JsonRecord]


class RunTally(AnswerModel):
    """The trials of a scenario in one run."""

    run_id: str
    played: int
    satisfied: int


class ScenarioHistoryAnswer(AnswerModel):
    """The trials of a hidden scenario over the runs of the project, oldest first."""

    scenario: str = Field(description="The opaque name; for the operator, the id.")
    played: int
    satisfied: int
    pass_rate: float | None
    flaky_runs: int
    runs: list[RunTally]


class SuiteHistoryAnswer(VersionAnswer):
    """A version of a suite, with the history of its hidden scenarios."""

    scenarios: list[ScenarioHistoryAnswer]


class SuiteBody(Body):
    """A suite of the project to register."""

    folder: Word = Field(min_length=1, description="Its folder, such as `scenarios/todo`.")
    sandbox: Word = Field(
        default="auto", description="Play trials here: auto, bubblewrap, landlock or none."
    )


class RegistrationAnswer(AnswerModel):
    """A registered suite."""

    name: str
    version: int
    seal: str
    is_new: bool = Field(description="False: the same content was registered before.")
    trials: int = Field(description="The trials of each evaluation.")
    failures_allowed: int
    measured: JsonRecord | None = Field(
        default=None, description="Counts of wrong solutions that the suite noticed."
    )
    cheats: JsonRecord | None = Field(
        default=None, description="Counts of cheats that the suite noticed; None: not tried."
    )


@part.get("/api/v1/suites", dependencies=[READ])
def list_suites(
    service: ProjectService, *, name: Name = "", cursor: Cursor = "", limit: Limit = DEFAULT_LIMIT
) -> Page[VersionAnswer]:
    """List the versions of all suites, or of one."""
    return list_versions(service.opened.suites.versions, name, cursor, limit)


@part.get("/api/v1/suites/{reference}", dependencies=[READ])
def show_suite(service: ProjectService, reference: Reference, operator: ToOperator) -> SuiteAnswer:
    """Show a version of a suite: thresholds, train scenarios and the number of holdouts."""
    store = service.opened.suites
    version = store.versions.find(reference)
    record = suite_record(version, store.open(version).suite, to_operator=operator)
    return SuiteAnswer.model_validate(record)


@part.get("/api/v1/suites/{reference}/history", dependencies=[READ])
def show_suite_history(
    service: ProjectService, reference: Reference, operator: ToOperator
) -> SuiteHistoryAnswer:
    """Show how often each holdout of a suite passed, over the runs of the project."""
    evaluator = Evaluator(service.opened)
    version = evaluator.opened.suites.versions.find(reference)
    found = suite_history(version, evaluator, to_operator=operator)
    record = {**version.to_record(), "scenarios": [one.to_record() for one in found]}
    return SuiteHistoryAnswer.model_validate(record)


@part.post("/api/v1/suites", dependencies=[DECIDE])
def register(service: ProjectService, caller: Calling, body: SuiteBody) -> RegistrationAnswer:
    """Register a suite as a sealed version; the answer comes after its trials, maybe in minutes.

    The trials show that the suite can judge. The same content makes no new version.
    """
    opened = service.opened
    folder = path_in(opened.project.root, body.folder)
    found = asyncio.run(register_suite(folder, opened, sandbox=body.sandbox, by=caller.name))
    return RegistrationAnswer.model_validate(found.to_record())


@part.post("/api/v1/suites/{reference}/archive", dependencies=[DECIDE])
def archive(
    service: ProjectService, caller: Calling, reference: Reference, body: EndBody
) -> list[VersionAnswer]:
    """Archive a version, or all versions of a suite; no new run may use them."""
    store = service.opened.suites.versions
    return end(service, caller, store, reference, ARCHIVED, body.reason)


@part.post("/api/v1/suites/{reference}/burn", dependencies=[DECIDE])
def burn(
    service: ProjectService, caller: Calling, reference: Reference, body: EndBody
) -> list[VersionAnswer]:
    """Burn a version of a suite whose holdouts are known; no run that it judged can be approved."""
    store = service.opened.suites.versions
    return end(service, caller, store, reference, BURNED, body.reason)
