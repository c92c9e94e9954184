"""The profiles of the project: revisions with their effective policies; create, update, retire."""

from typing import Annotated

from fastapi import APIRouter, Body

from attractor.base.errors import UsageError
from attractor.config.tables import Modeled
from attractor.factory.resources.effective import effective_record
from attractor.factory.resources.profiles import Profile
from attractor.factory.resources.versions import RETIRED
from attractor.server.http.cursors import DEFAULT_LIMIT, Cursor, Limit, Page
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import JsonRecord, Name
from attractor.server.http.scopes import DECIDE, READ, Calling, ProjectService
from attractor.server.http.versions import (
    EndBody,
    Reference,
    RegisteredAnswer,
    VersionAnswer,
    end,
    list_versions,
)

part = APIRouter(tags=["profiles"], responses=problem_statuses(400, 404, 409))


ProfileBody = Annotated[Profile, Modeled(), Body()]


class ProfileAnswer(VersionAnswer):
    """A revision of a profile, with all defaults."""

    effective: JsonRecord


@part.get("/api/v1/profiles", dependencies=[READ])
def list_profiles(
    service: ProjectService, *, name: Name = "", cursor: Cursor = "", limit: Limit = DEFAULT_LIMIT
) -> Page[VersionAnswer]:
    """List the revisions of all profiles, or of one."""
    return list_versions(service.opened.profiles.versions, name, cursor, limit)


@part.get("/api/v1/profiles/{reference}", dependencies=[READ])
def show_profile(service: ProjectService, reference: Reference) -> ProfileAnswer:
    """Show a profile and its effective policy."""
    store = service.opened.profiles
    version = store.versions.find(reference)
    record = {**version.to_record(), "effective": effective_record(store.read(version))}
    return ProfileAnswer.model_validate(record)


@part.post("/api/v1/profiles", dependencies=[DECIDE], status_code=201)
def create_profile(service: ProjectService, caller: Calling, body: ProfileBody) -> VersionAnswer:
    """Create a profile; the fields are those of a profile file."""
    opened = service.opened
    store = opened.profiles
    version = store.create(body, by=caller.name, now=opened.now())
    return VersionAnswer.model_validate(version.to_record())


@part.put("/api/v1/profiles/{reference}", dependencies=[DECIDE])
def update_profile(
    service: ProjectService, caller: Calling, reference: Reference, body: ProfileBody
) -> RegisteredAnswer:
    """Make a new revision of the profile NAME; runs keep the revision that they pinned."""
    if body.name != reference:
        raise UsageError(f"the body is the profile {body.name!r}", hint=f"name it {reference!r}")
    opened = service.opened
    store = opened.profiles
    version, is_new = store.update(body, by=caller.name, now=opened.now())
    return RegisteredAnswer.model_validate({**version.to_record(), "is_new": is_new})


@part.post("/api/v1/profiles/{reference}/retire", dependencies=[DECIDE])
def retire_profile(
    service: ProjectService, caller: Calling, reference: Reference, body: EndBody
) -> list[VersionAnswer]:
    """Retire a revision, or all revisions of a profile; no new run may use them."""
    store = service.opened.profiles.versions
    return end(service, caller, store, reference, RETIRED, body.reason)
