"""Versions of profiles, suites and pipelines: their records, pages of versions, and their ends."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Path
from pydantic import Field

from attractor.factory.resources.ending import end_versions
from attractor.factory.resources.versions import Ending, Version, VersionStore
from attractor.server.access.callers import Caller
from attractor.server.http.cursors import (
    DEFAULT_LIMIT,
    Page,
    invalid_cursor,
    read_cursor,
    write_cursor,
)
from attractor.server.http.records import AnswerModel, JsonRecord
from attractor.server.processes.bodies import Body, Words
from attractor.server.service import Service

Reference = Annotated[
    str, Path(max_length=200, description="NAME (the latest version) or NAME@VERSION.")
]


class EndingAnswer(AnswerModel, of=Ending):
    """The reason why no new run may use a version."""

    when: str


class VersionAnswer(AnswerModel):
    """A version of a profile, a suite or a pipeline."""

    kind: str
    name: str
    version: int
    content: str = Field(description="The hash of the content.")
    registered: str
    by: str
    data: JsonRecord
    ending: EndingAnswer | None


class RegisteredAnswer(VersionAnswer):
    """A version, and whether the request made it."""

    is_new: bool = Field(description="False: the same content was registered before.")


class EndBody(Body):
    """The reason why no new run may use a version."""

    reason: Words = Field(min_length=1, description="Record this reason.")


def end(
    service: Service, caller: Caller, store: VersionStore, reference: str, how: str, reason: str
) -> list[VersionAnswer]:
    """End the versions that a reference names, in the name of a caller."""
    ending = Ending(how, service.project.machine.clock.now(), caller.name, reason)
    ended = end_versions(store, reference, ending)
    return [VersionAnswer.model_validate(one.to_record()) for one in ended]


def list_versions(
    store: VersionStore, name: str, cursor: str, limit: int = DEFAULT_LIMIT
) -> Page[VersionAnswer]:
    """Return a page of the versions of a resource (default: of all), by name, oldest first."""
    match read_cursor(cursor):
        case None:
            after = "", 0
        case [str(last_name), int(number)]:
            after = last_name, number
        case _:
            raise invalid_cursor()
    items: list[VersionAnswer] = []
    for one in _versions(store, name, after):
        if len(items) == limit:
            last = items[-1]
            return Page(items=items, next=write_cursor([last.name, last.version]))
        items.append(VersionAnswer.model_validate(one.to_record()))
    return Page(items=items)


def _versions(store: VersionStore, name: str, after: tuple[str, int]) -> Iterator[Version]:
    last, number = after
    for one in [name] if name else store.names():
        if one >= last:
            yield from (v for v in store.versions(one) if one > last or v.number > number)
