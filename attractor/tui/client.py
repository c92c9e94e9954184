"""The HTTP API as the terminal interface uses it: typed answers, and requests as data."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
from httpx_sse import ServerSentEvent, SSEError, aconnect_sse
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, VerificationError
from attractor.base.events import Event
from attractor.base.json import Json, JsonObject, parse_object
from attractor.pipeline.status import PlainStatus, plain_status
from attractor.records.summary import RunOverview
from attractor.tui.errors import NoServer, RequestRefused

T = TypeVar("T")

TIMEOUT_S = 30.0
"""A diff of a large folder takes seconds."""

PATIENCE_S = 10.0
"""The time in which a server answers that is asked whether it is there."""

SILENCE_S = 60.0
"""The server sends a comment on a quiet stream more often."""

NEWEST = 10
"""The number of the last stages that are shown as evidence."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Project(_Answer):
    """A project, and its folder on the machine of the server."""

    id: str
    folder: str


class Option(_Answer):
    """A choice of a question."""

    key: str
    label: str


class Question(_Answer):
    """A question to a person."""

    id: str
    text: str
    kind: str
    options: Sequence[Option] = ()
    default: str = ""
    deadline: str = ""


class Field(_Answer):
    """A text that a person types with a choice."""

    name: str
    label: str
    is_required: bool


class Choice(_Answer):
    """One thing that a person can do about a row."""

    key: str
    label: str
    letter: str
    fields: Sequence[Field] = ()
    values: Mapping[str, str] = {}


class Attention(_Answer):
    """One thing that needs a person."""

    id: str
    need: str
    project: Project
    name: str
    actor: str
    run_id: str
    reason: str
    since: datetime
    cost_usd: float
    command: str
    unpriced_tokens: int = 0
    about: str = ""
    questions: Sequence[Question] = ()
    choices: Sequence[Choice] = ()
    rows: Sequence["Attention"] = ()


class Actor(_Answer):
    """An actor as it is now; `plain` is its status for people."""

    name: str
    project: Project
    status: str
    plain: str
    since: datetime
    dimension: str
    run: str
    last_run: str
    waiting: int
    cost_usd: float
    reason: str
    unpriced_tokens: int = 0


class _Change(_Answer, Generic[T]):
    """Something new or changed in the stream of worlds; without a record, it is gone."""

    id: str
    record: T | None

    def applied(self, known: Mapping[str, T]) -> Mapping[str, T]:
        """Return all that is known after the change."""
        if self.record is None:
            return {id_: one for id_, one in known.items() if id_ != self.id}
        return {**known, self.id: self.record}


class Sender(_Answer):
    """The sender of a message."""

    kind: str
    name: str


class MessageText(_Answer):
    """A message, as it was sent."""

    sender: Sender
    text: str
    sent: datetime


class Message(_Answer):
    """A message, with its answer if it has one."""

    message: MessageText
    status: str
    succeeded: bool | None = None
    reason: str = ""
    words: str = ""
    files: Sequence[str] = ()


class Stage(_Answer):
    """An attempt at a stage."""

    id: str
    state: str
    outcome: str
    notes: str
    error: str


class Remark(_Answer):
    """A remark on a line of a dimension, at its line now."""

    file: str
    line: int
    quoted: str
    text: str
    stale: bool


class _Diff(_Answer):
    diff: str


class _FileDiff(_Answer):
    text: str


class _RunDiff(_Answer):
    files: Sequence[_FileDiff]


class _Stages(_Answer):
    items: Sequence[Stage]
    next: str


class _AtWork(_Answer):
    node: str
    last_lines: Sequence[str]


class _RunOutput(_Answer):
    at_work: Sequence[_AtWork]
    actions: Sequence[str]


@dataclass(frozen=True)
class Run:
    """A run, with the last lines of its stages at work, and the actions that it allows."""

    overview: RunOverview
    at_work: Sequence[tuple[str, Sequence[str]]]
    actions: Sequence[str]

    @property
    def plain(self) -> PlainStatus:
        """The status for people."""
        return plain_status(self.overview)


class StageWords(_Answer):
    """The last lines of a stage."""

    attempt: str
    outcome: str
    lines: Sequence[str]


class ChangedFile(_Answer):
    """The numbers of changed lines of a file."""

    path: str
    added: int
    deleted: int


class Changes(_Answer):
    """The changes by file, or a remark why there are none to show."""

    files: Sequence[ChangedFile] = ()
    remarks: str = ""


class Evidence(_Answer):
    """What a person needs to choose what becomes of a row."""

    task: str = ""
    facts: Mapping[str, str] = {}
    said: str = ""
    outputs: Sequence[StageWords] = ()
    changes: Changes = Changes()


@dataclass(frozen=True)
class Worlds:
    """What needs a person, and the actors, by their ids in the stream of worlds."""

    needs: Mapping[str, Attention] = field(default_factory=dict[str, Attention])
    actors: Mapping[str, Actor] = field(default_factory=dict[str, Actor])

    @classmethod
    def of(cls, needs: Sequence[Attention], actors: Sequence[Actor]) -> "Worlds":
        """Return the worlds with these."""
        return cls(
            {one.id: one for one in needs},
            {f"{one.project.id}/{one.name}": one for one in actors},
        )

    @classmethod
    def from_records(cls, needs: Sequence[JsonObject], actors: Sequence[JsonObject]) -> "Worlds":
        """Return the worlds with the records that the server would answer."""
        return cls.of(_ATTENTION.validate_python(needs), _ACTORS.validate_python(actors))

    def after(self, event: ServerSentEvent) -> "Worlds":
        """Return the worlds after an event of the stream."""
        match event.event:
            case "AttentionChanged" | "AttentionGone":
                need = _parse(_NEED_CHANGE, event.data.encode())
                return replace(self, needs=need.applied(self.needs))
            case "ActorChanged" | "ActorGone":
                actor = _parse(_ACTOR_CHANGE, event.data.encode())
                return replace(self, actors=actor.applied(self.actors))
            case _:
                return self


@dataclass(frozen=True)
class Request:
    """A request that changes something."""

    path: str
    body: Mapping[str, Json]
    method: str = "POST"


_ATTENTION = TypeAdapter(list[Attention])
_ACTORS = TypeAdapter(list[Actor])
_NEED_CHANGE, _ACTOR_CHANGE = TypeAdapter(_Change[Attention]), TypeAdapter(_Change[Actor])
_MESSAGES = TypeAdapter(list[Message])
_REMARKS = TypeAdapter(list[Remark])
_DIFF, _RUN_DIFF = TypeAdapter(_Diff), TypeAdapter(_RunDiff)
_EVIDENCE = TypeAdapter(Evidence)
_STAGES, _OUTPUT = TypeAdapter(_Stages), TypeAdapter(_RunOutput)


def place(*words: str) -> str:
    """Return the path of a resource of the API."""
    return "/".join(("/api/v1", *(quote(word, safe="") for word in words)))


class ApiClient:
    """A client of one server, with headers that identify a person."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        # No proxy of the environment gets the headers.
        self._http = httpx.AsyncClient(
            base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def answers(self) -> bool:
        """Return whether the server answers soon, and takes the headers."""
        try:
            await self._read(place("attention"), timeout=PATIENCE_S)
        except AttractorError:
            return False
        return True

    async def worlds(self) -> Worlds:
        """Return what needs a person, and the actors of all projects."""
        return Worlds.of(
            *await asyncio.gather(
                self._get(_ATTENTION, place("attention")), self._get(_ACTORS, place("actors"))
            )
        )

    async def follow_worlds(self) -> AsyncGenerator[Worlds]:
        """Yield the worlds after each event of their stream, until the connection is lost."""
        known: Worlds | None = None
        async with aclosing(self._stream(place("worlds", "events"))) as received:
            async for event in received:
                # No event tells what was gone before the stream began.
                known = (known or await self.worlds()).after(event)
                yield known

    async def messages(self, project: str, actor: str) -> list[Message]:
        """Return the messages of an actor with their answers, oldest first."""
        return await self._get(_MESSAGES, place("actors", project, actor, "messages"))

    async def run(self, run_id: str) -> Run:
        """Return a run as it is now."""
        content = await self._read(place("runs", run_id))
        found = _parse(_OUTPUT, content)
        at_work = [(one.node, one.last_lines) for one in found.at_work]
        return Run(RunOverview.from_record(_object(content)), at_work, found.actions)

    async def last_stages(self, run_id: str) -> list[Stage]:
        """Return the last attempts at stages of a run, oldest first."""
        found, cursor = list[Stage](), ""
        while True:
            page = await self._get(_STAGES, place("runs", run_id, "stages"), cursor=cursor)
            found, cursor = [*found, *page.items][-NEWEST:], page.next
            if not cursor:
                return found

    async def evidence(self, row: str) -> Evidence:
        """Return what a person needs to choose what becomes of a row."""
        return await self._get(_EVIDENCE, place("attention", row, "evidence"))

    async def remarks(self, project: str, dimension: str) -> list[Remark]:
        """Return the remarks on a dimension that are not sent yet."""
        return await self._get(_REMARKS, place("dimensions", project, dimension, "remarks"))

    async def diff_of_dimension(self, project: str, dimension: str) -> str:
        """Return the changes in a dimension."""
        return (await self._get(_DIFF, place("dimensions", project, dimension, "diff"))).diff

    async def diff_of_run(self, run_id: str) -> str:
        """Return the changes of a run."""
        found = await self._get(_RUN_DIFF, place("runs", run_id, "diff"))
        return "\n".join(one.text for one in found.files)

    async def send(self, request: Request) -> str:
        """Send a request that changes something, and return the words of the answer."""
        content = await self._read(request.path, method=request.method, json=dict(request.body))
        words = (parse_object(content) or {}).get("words")
        return words if isinstance(words, str) else ""

    async def events(self, run_id: str, after: int) -> AsyncGenerator[Event]:
        """Yield the past events of a run after a number, then each new one, until the run ends."""
        path = place("runs", run_id, "events")
        async with aclosing(self._stream(path, after=after)) as received:
            async for event in received:
                if event.event not in ("skipped", "dropped"):
                    yield Event.from_record(_object(event.data.encode()))

    async def _stream(self, path: str, **params: int) -> AsyncGenerator[ServerSentEvent]:
        timeout = httpx.Timeout(TIMEOUT_S, read=SILENCE_S)
        try:
            async with aconnect_sse(
                self._http, "GET", path, params=params, timeout=timeout
            ) as source:
                if source.response.is_error:
                    raise _refusal(source.response, await source.response.aread())
                async with aclosing(source.aiter_sse()) as received:
                    async for event in received:
                        match event.event:
                            case "end":
                                return
                            case "problem":
                                detail = _object(event.data.encode()).get("detail")
                                raise VerificationError(f"{detail}")
                            case _:
                                yield event
                raise NoServer(f"the stream {path} was cut")
        except (httpx.HTTPError, SSEError) as fault:
            raise NoServer(f"the stream {path} was cut: {fault}") from fault

    async def _get(self, answer: TypeAdapter[T], path: str, **params: str) -> T:
        return _parse(answer, await self._read(path, params=params))

    async def _read(self, path: str, *, method: str = "GET", **more: Any) -> bytes:
        try:
            response = await self._http.request(method, path, **more)
        except httpx.HTTPError as fault:
            words = str(fault) or type(fault).__name__
            raise NoServer(f"{self._http.base_url} does not answer: {words}") from fault
        if response.is_error:
            raise _refusal(response, response.content)
        return response.content


def _parse(answer: TypeAdapter[T], content: bytes) -> T:
    try:
        return answer.validate_json(content)
    except ValidationError as fault:
        raise _strange() from fault


def _object(content: bytes) -> JsonObject:
    found = parse_object(content)
    if found is None:
        raise _strange()
    return found


def _strange() -> RequestRefused:
    hint = "end the server, and start it with this version: attractor serve"
    return RequestRefused("the server answers in the words of another version", hint=hint)


def _refusal(response: httpx.Response, content: bytes) -> RequestRefused:
    match parse_object(content):
        case {"detail": str(detail), "hint": str(hint)}:
            return RequestRefused(detail, hint=hint)
        case _:
            return RequestRefused(f"the server answers with status {response.status_code}")
