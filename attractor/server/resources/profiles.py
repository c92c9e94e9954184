"""The profiles of the project, and their effective policies."""

from fastapi import APIRouter

from attractor.factory.launch import evaluator_of
from attractor.factory.resources.effective import effective_record
from attractor.server.http.cursors import MOST, Cursor, Limit, Page
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import JsonRecord, Name, Reference, VersionAnswer, list_versions
from attractor.server.http.scopes import READ, Serving

part = APIRouter(tags=["profiles"], responses=problem_statuses(400, 404, 409, 503))


class ProfileAnswer(VersionAnswer):
    """A revision of a profile, with all defaults."""

    effective: JsonRecord


@part.get("/api/v1/profiles", dependencies=[READ])
def list_profiles(
    service: Serving, *, name: Name = "", cursor: Cursor = "", limit: Limit = MOST
) -> Page[VersionAnswer]:
    """List the revisions of all profiles, or of one."""
    return list_versions(evaluator_of(service.host).stores.profiles.versions, name, cursor, limit)


@part.get("/api/v1/profiles/{reference}", dependencies=[READ])
def show_profile(service: Serving, reference: Reference) -> ProfileAnswer:
    """Show a profile and its effective policy."""
    store = evaluator_of(service.host).stores.profiles
    version = store.versions.find(reference)
    record = {**version.to_record(), "effective": effective_record(store.read(version))}
    return ProfileAnswer.model_validate(record)
