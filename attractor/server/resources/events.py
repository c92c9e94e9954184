"""The events of one run and of all runs: in pages, and as streams of server-sent events."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from attractor.base.errors import AttractorError, VerificationError
from attractor.base.json import JsonObject, canonical_json
from attractor.engine.run_folder.layout import RunDirectory
from attractor.server.events.buffer import EventFilter, StreamEvent
from attractor.server.events.streams import EventSource, Sources, follow
from attractor.server.events.tails import read_events
from attractor.server.http.cursors import DEFAULT_LIMIT, Cursor, Limit, read_number, write_cursor
from attractor.server.http.methods import is_head
from attractor.server.http.problems import problem_of, problem_statuses
from attractor.server.http.scopes import READ, Calling, ProjectService, ServerService

part = APIRouter(tags=["events"])

HEARTBEAT_S = 15
"""The pause between two comments that keep a quiet stream open."""

SEND_TIMEOUT_S = 15
"""A reader that takes nothing for so long is dropped."""

RETRY_MS = 1000
"""The pause after which a browser connects again."""

LOG = logging.getLogger("attractor.server")
_STREAM = "text/event-stream"
_MOST = 1 << 53

S = TypeVar("S", bound=EventSource)
Read = Callable[[int], Sequence[StreamEvent]]
Number = Callable[[StreamEvent], str]
Parts = AsyncGenerator[Sequence[StreamEvent]]

_BOTH: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page of events, or a stream of server-sent events",
        "content": {_STREAM: {"schema": {"type": "string"}}},
    },
    **problem_statuses(400, 404, 409),
}
_STREAM_ONLY: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A stream of server-sent events",
        "content": {_STREAM: {"schema": {"type": "string"}}},
    },
    **problem_statuses(400, 404),
}


class EventRecord(BaseModel):
    """An event as in the journal of its run."""

    model_config = ConfigDict(extra="allow")

    run_id: str
    type: str
    data: dict[str, Any]
    seq: int = Field(default=0, description="The number of the event in its run.")
    time: str = ""
    node: str | None = None
    visit: int | None = None
    attempt: int | None = None
    branch: str | None = None


class FeedRecord(EventRecord):
    """An event of any run, with its number among the events of all runs."""

    number: int


class EventPage(BaseModel):
    """Events of one run."""

    items: list[EventRecord]
    next: str = Field(description="The cursor of the next page; empty on the last.")


class FeedPage(BaseModel):
    """Events of all runs."""

    items: list[FeedRecord]
    next: str = Field(description="The cursor of the next page; empty on the last.")


async def _stack() -> AsyncGenerator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


UntilSent = Annotated[AsyncExitStack, Depends(_stack)]
"""A stack that is left when the response is sent, however it ended."""

Types = Annotated[
    list[str], Query(alias="type", description="Only events of these types (default: all).")
]
Node = Annotated[str, Query(description="Only events of this node (default: all).")]
After = Annotated[
    int | None, Query(ge=0, lt=_MOST, description="Only events after the one with this number.")
]
Process = Annotated[
    bool,
    Query(description="Also a notice `process` when a process takes or leaves the run."),
]
LastEventId = Annotated[
    int | None, Header(ge=0, lt=_MOST, description="The id of the last event that was received.")
]


class EventReader:
    """A caller who reads events, with the selection of the request."""

    def __init__(
        self,
        connection: HTTPConnection,
        service: ProjectService,
        caller: Calling,
        until_sent: UntilSent,
        types: Types = [],  # noqa: B006 - FastAPI copies it
        node: Node = "",
        after: After = None,
        process: Process = False,
        last_event_id: LastEventId = None,
    ) -> None:
        self._is_head = is_head(connection)
        self.wants_stream = _STREAM in connection.headers.get("accept", "")
        self._events = service.events
        self._caller = caller.name
        self._until_sent = until_sent
        self._selected = EventFilter(frozenset(types), node, process)
        # A browser repeats the address of the stream when it connects again.
        self._after = after if last_event_id is None else last_event_id

    async def follow(self, sources: Sources[S], folder: Path) -> Parts:
        """Return the past and new events of a source; it is watched until the answer is sent."""
        self._until_sent.enter_context(self._events.hold(self._caller))
        source = await self._until_sent.enter_async_context(sources.watch(folder))
        after = await source.begin(self._after)
        return follow(source, after, self._selected, describe)

    async def stream(self, sources: Sources[S], folder: Path) -> Response:
        """Return a response with the past and new events of a source; for HEAD, none."""
        if self._is_head:
            return StreamingResponse(iter(()), media_type=_STREAM)
        return EventStream(_frames(await self.follow(sources, folder)))

    def page(self, read: Read, number: Number, limit: int, cursor: str) -> Response:
        """Return a response with some events."""
        after = read_number(cursor) if cursor else self._after or 0
        events, following = _select(read, self._selected, after, limit)
        items = ",".join(number(event) for event in events)
        following = write_cursor(following) if following else ""
        body = f'{{"items":[{items}],"next":{canonical_json(following)}}}'
        return Response(body, media_type="application/json")


Reading = Annotated[EventReader, Depends()]


def _select(
    read: Read, selected: EventFilter, after: int, limit: int
) -> tuple[Sequence[StreamEvent], int]:
    """Return selected events after a number, and the number for the next call if there are more."""
    found: list[StreamEvent] = []
    try:
        while events := read(after):
            for event in events:
                if len(found) == limit:
                    return found, after
                after = event.id
                if selected.wants(event):
                    found.append(event)
    except VerificationError:
        # The corrupt line is the problem of the next page.
        if not found:
            raise
        return found, after
    return found, 0


def describe(error: AttractorError) -> JsonObject:
    """Return the record of an error in a stream."""
    return problem_of(error).model_dump()


class _Heartbeat(ServerSentEvent):
    """A comment without an empty line, after which some clients would see an empty event."""

    def encode(self) -> bytes:
        """Return the comment."""
        return b": the stream is open\n"


class EventStream(EventSourceResponse):
    """A stream of server-sent events that drops a reader that reads nothing."""

    def __init__(self, frames: AsyncGenerator[bytes]) -> None:
        # The library annotates its parameters with bare dict types.
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            frames,
            ping=HEARTBEAT_S,
            ping_message_factory=_Heartbeat,
            send_timeout=SEND_TIMEOUT_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until the stream or the connection ends."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            LOG.warning("%s: dropped a reader that read nothing", scope["path"])


async def _frames(parts: Parts) -> AsyncGenerator[bytes]:
    first = b"retry: %d\n" % RETRY_MS
    async with aclosing(parts):
        async for part in parts:
            yield first + b"".join(one.frame for one in part)
            first = b""


def _record(event: StreamEvent) -> str:
    return event.content.decode()


def _numbered(event: StreamEvent) -> str:
    return f'{{"number":{event.id},{event.content.decode()[1:]}'


@part.get(
    "/api/v1/runs/{run}/events", dependencies=[READ], response_model=EventPage, responses=_BOTH
)
async def list_events_of_run(
    service: ProjectService,
    reader: Reading,
    run: str,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> Response:
    """List the events of a run, or stream them with `Accept: text/event-stream`.

    A stream has the past events first, then each new one, and ends with the run.
    """
    root = await asyncio.to_thread(service.root, run)
    if reader.wants_stream:
        return await reader.stream(service.events.tails, root)
    read = partial(read_events, RunDirectory(root).events)
    return await asyncio.to_thread(reader.page, read, _record, limit, cursor)


@part.get(
    "/pipelines/{run}/events",
    dependencies=[READ],
    response_class=EventSourceResponse,
    responses=_STREAM_ONLY,
)
async def stream_events(service: ProjectService, reader: Reading, run: str) -> Response:
    """Stream the events of a run: the past ones first, then each new one, until the run ends."""
    root = await asyncio.to_thread(service.root, run)
    return await reader.stream(service.events.tails, root)


@part.get("/api/v1/events", dependencies=[READ], response_model=FeedPage, responses=_BOTH)
async def list_events(
    service: ProjectService, reader: Reading, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> Response:
    """List the events of all runs, or stream them with `Accept: text/event-stream`.

    A stream begins with the next event, or after the one that the request names.
    """
    folder = service.project.runs_dir
    if reader.wants_stream:
        return await reader.stream(service.events.feeds, folder)
    async with service.events.feeds.watch(folder) as feed:
        await feed.begin(None)
        return await asyncio.to_thread(reader.page, feed.read, _numbered, limit, cursor)


@part.get(
    "/api/v1/worlds/events",
    dependencies=[READ],
    response_class=EventSourceResponse,
    responses=_STREAM_ONLY,
)
async def stream_worlds(
    connection: Request,
    service: ServerService,
    caller: Calling,
    until_sent: UntilSent,
    types: Types = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Stream the projects, their actors, and what needs a person: all of them, then each change.

    The types are `WorldChanged`, `ActorChanged`, `AttentionChanged`, and the same with `Gone`.
    """
    if is_head(connection):
        return StreamingResponse(iter(()), media_type=_STREAM)
    until_sent.enter_context(service.events.hold(caller.name))
    state = service.project.machine.state_dir
    source = await until_sent.enter_async_context(service.events.worlds.watch(state))
    return EventStream(_frames(source.follow(caller.reaches, types, describe)))
