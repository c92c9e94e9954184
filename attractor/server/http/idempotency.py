"""Answers a repeated write with the answer of the first one (`Idempotency-Key`).

A caller that got no answer repeats the request with the same key: nothing is done twice, also when
both requests come at once, and after a new start of the server.
"""

import asyncio
import re
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast
from weakref import WeakValueDictionary

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope as Connection, Send

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError
from attractor.base.files import make_private_folder
from attractor.base.json import canonical_json, content_hash, parse_json
from attractor.server.access.origins import SAFE_METHODS
from attractor.server.errors import InvalidKey, KeyReused, UnknownResult

KEY, REPLAYED = "idempotency-key", "idempotency-replayed"
KEY_FORM, LONGEST_KEY = "[!-~]+", 200
KEPT_S = 86_400
"""The time after which a key is forgotten."""

NOT_DONE = frozenset({401, 403, 408, 413, 429, 503})
"""The answers that are not kept: to requests that the sender or a limit refused, and to those that
the machine could not serve at the time."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    place TEXT PRIMARY KEY, request TEXT NOT NULL, time REAL NOT NULL,
    status INTEGER, headers TEXT, body BLOB
);
CREATE INDEX IF NOT EXISTS requests_by_time ON requests (time);
"""


@dataclass(frozen=True)
class KeptAnswer:
    """The answer to a request, as it is kept."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


class AnswerStore:
    """The answers of the last day, by caller and key, in a database."""

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file = file
        self._clock = clock

    def begin(self, place: str, request: str) -> KeptAnswer | None:
        """Record that a request begins; if it was answered before, return the answer.

        Refuse the key of another request, and of one whose result is unknown.
        """
        now = self._clock.now().timestamp()
        with self._open() as database:
            database.execute("DELETE FROM requests WHERE time < ?", [now - KEPT_S])
            found = database.execute(
                "SELECT request, status, headers, body FROM requests WHERE place = ?", [place]
            ).fetchone()
            if found is None:
                values = [place, request, now]
                database.execute(
                    "INSERT INTO requests (place, request, time) VALUES (?, ?, ?)", values
                )
                return None
        first, status, headers, body = found
        if first != request:
            raise KeyReused()
        if status is None:
            raise UnknownResult()
        pairs = cast("list[list[str]]", parse_json(headers))
        return KeptAnswer(status, [(name, value) for name, value in pairs], body)

    def finish(self, place: str, answer: KeptAnswer) -> None:
        """Keep the answer to a request; forget a request that did nothing."""
        with self._open() as database:
            if answer.status in NOT_DONE:
                database.execute("DELETE FROM requests WHERE place = ?", [place])
                return
            headers = canonical_json([list(header) for header in answer.headers])
            database.execute(
                "UPDATE requests SET status = ?, headers = ?, body = ? WHERE place = ?",
                [answer.status, headers, answer.body, place],
            )

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        make_private_folder(self._file.parent)
        try:
            # The transaction begins at once, so that two servers do not begin the same request.
            with closing(sqlite3.connect(self._file, isolation_level="IMMEDIATE")) as database:
                database.executescript(_SCHEMA)
                with database:
                    yield database
        except sqlite3.Error as cause:
            raise MachineryError(
                f"cannot use the answers to earlier requests in {self._file}: {cause}",
                hint="free space and check permissions, or remove the file",
            ) from cause


class Idempotency:
    """Answers repeated writes from a store; the requests are guarded already."""

    def __init__(self, app: ASGIApp, *, store: AnswerStore, project: Path) -> None:
        self._app = app
        self._store = store
        self._project = project
        # A lock lives as long as a request holds it or waits for it.
        self._turns = WeakValueDictionary[str, asyncio.Lock]()

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Answer a request."""
        is_write = connection["type"] == "http" and connection["method"] not in SAFE_METHODS
        key = Headers(scope=connection).get(KEY) if is_write else None
        caller = connection["state"]["caller"] if key is not None else None
        if key is None or caller is None:
            # The answer to a sender that is unknown yet, such as a cookie, is never kept.
            await self._app(connection, receive, send)
            return
        if not re.fullmatch(KEY_FORM, key) or len(key) > LONGEST_KEY:
            raise InvalidKey(f"an Idempotency-Key has 1 to {LONGEST_KEY} printable characters")
        body = await _read(receive)
        if body is None:
            return
        place = canonical_json([str(self._project), str(caller), key])
        turn = self._turns.setdefault(place, asyncio.Lock())
        async with turn:
            await self._answer(place, connection, body, receive, send)

    async def _answer(
        self, place: str, connection: Connection, body: bytes, receive: Receive, send: Send
    ) -> None:
        query = connection["query_string"].decode("ascii")
        words = [connection["method"], connection["path"], query, content_hash(body)]
        known = await run_in_threadpool(self._store.begin, place, canonical_json(words))
        if known:
            await _send(known, send)
            return
        recorded = RecordedAnswer(send)
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(connection, receive_again, recorded.send)
        await run_in_threadpool(self._store.finish, place, recorded.answer())


class RecordedAnswer:
    """Sends an answer, and records it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            raw = message.get("headers", ())
            self._headers = [(name.decode("latin-1"), one.decode("latin-1")) for name, one in raw]
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
        await self._send(message)

    def answer(self) -> KeptAnswer:
        """Return the whole answer."""
        return KeptAnswer(self._status, self._headers, bytes(self._body))


async def _read(receive: Receive) -> bytes | None:
    """Return the body of a request; None if it does not arrive whole."""
    body = b""
    while True:
        try:
            message = await receive()
        except HTTPException:
            # The guard answers it.
            return None
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and request within a day get the same answer, and do nothing.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_KEY,
        "pattern": f"^{KEY_FORM}$",
    },
}
"""The header, in the OpenAPI document."""


async def _send(answer: KeptAnswer, send: Send) -> None:
    headers = [*answer.headers, (REPLAYED, "true")]
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body})
