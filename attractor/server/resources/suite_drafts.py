"""Drafts of suites: their numbers for all, their words for operators, and the take of one."""

from fastapi import APIRouter
from pydantic import Field

from attractor.base.errors import Refused
from attractor.factory.registration.drafts import SuiteDraft, drafts_folder, kept_draft
from attractor.factory.registration.taking import folder_of, part_named, take, view, views_of
from attractor.records.lookup import find_run
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel
from attractor.server.http.scopes import DECIDE, READ, ProjectService
from attractor.server.processes.bodies import Body, Word
from attractor.server.service import Service

part = APIRouter(tags=["suites"], responses=problem_statuses(400, 404, 409))


class DraftsAnswer(AnswerModel):
    """The numbers of the drafts of a run."""

    run_id: str
    folder: str = Field(description="The source of the suite that takes them.")
    parts: int
    waiting: int = Field(description="The drafts that a person has not looked at.")
    taken: int
    skipped: int
    faulty: int = Field(description="The drafts that cannot be taken.")


class SentenceAnswer(AnswerModel):
    """A sentence of the specification."""

    id: str
    sentence: str
    at: str = Field(description="The heading above it.")


class DraftAnswer(AnswerModel):
    """A scenario, the reference or a wrong solution that an agent drafted."""

    id: str
    title: str
    standing: str = Field(description="`waiting`, `taken`, `skipped` or `faulty`.")
    sentences: list[SentenceAnswer]
    text: str
    faults: list[str]


class DraftedSuiteAnswer(DraftsAnswer):
    """The drafts of a run, in the order in which a suite can take them."""

    drafts: list[DraftAnswer]


class TakeBody(Body):
    """The one draft to take."""

    id: Word = Field(min_length=1)
    folder: Word = Field(default="", description="The source of the suite (default: as before).")


class TakenAnswer(AnswerModel):
    """A draft in the source of a suite."""

    folder: str
    files: list[str]
    was_taken: bool = Field(description="It was there before.")


@part.get("/api/v1/suites/drafts", dependencies=[READ])
def list_drafts(service: ProjectService) -> list[DraftsAnswer]:
    """List the runs that drafted a suite, and how many drafts wait for a person."""
    project = service.project
    found = views_of(service.opened)
    return [DraftsAnswer.model_validate(one.to_record(project.root)) for one in found]


@part.get("/api/v1/suites/drafts/{run}", dependencies=[DECIDE])
def show_drafts(service: ProjectService, run: str) -> DraftedSuiteAnswer:
    """Show the drafts of a run, which are as hidden as the holdouts of a suite."""
    draft, root = draft_of(service, run), service.project.root
    found = view(draft, folder_of(draft, root))
    drafts = [
        DraftAnswer(
            id=one.id,
            title=one.title,
            standing=standing,
            sentences=[
                SentenceAnswer(id=s.id, sentence=s.sentence, at=s.at) for s in one.sentences
            ],
            text=one.text,
            faults=[*one.faults],
        )
        for one, standing in found.parts
    ]
    numbers = DraftsAnswer.model_validate(found.to_record(root))
    return DraftedSuiteAnswer(**numbers.model_dump(), drafts=drafts)


@part.post("/api/v1/suites/drafts/{run}/take", dependencies=[DECIDE])
def take_draft(service: ProjectService, run: str, body: TakeBody) -> TakenAnswer:
    """Take one draft of a run into the source of a suite, which a person registers later."""
    draft, root = draft_of(service, run), service.project.root
    folder = folder_of(draft, root, body.folder)
    done = take(draft, part_named(draft, body.id), folder)
    files = [str(one.relative_to(root)) for one in done.files]
    return TakenAnswer(folder=str(folder.relative_to(root)), files=files, was_taken=done.was_taken)


def draft_of(service: Service, run: str) -> SuiteDraft:
    """Return the drafts of a run of the project that were played."""
    root = find_run(run, drafts_folder(service.opened))
    name, found = root.name, kept_draft(root)
    if found is None:
        raise Refused(
            f"{name} has no drafts that were played",
            hint=f"attractor suite take {name} FOLDER plays those of a run that drafted a suite",
        )
    return found
