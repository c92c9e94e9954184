"""An SMTP server that hands over the letters of clients, and sends none of them."""

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from email import message_from_bytes, policy
from http import HTTPStatus

from attractor.base.dataclasses import dataclass
from attractor.twins.exchange.answer import Reply, ReplyEnd
from attractor.twins.server.hosting import listen

MAX_LETTER = 1024 * 1024
"""The maximum size of a letter in bytes, which the server announces."""
MAX_LINE = 8192

_ANSWERS = {
    "EHLO": f"250-twin\r\n250-SIZE {MAX_LETTER}\r\n250-8BITMIME\r\n250 AUTH PLAIN",
    "HELO": "250 twin",
    "NOOP": "250 ok",
    "QUIT": "221 bye",
}
_PATH = re.compile(r"(?:FROM|TO):\s*<([^<>\s]*)>", re.IGNORECASE)


@dataclass(frozen=True)
class Letter:
    """A letter with its envelope; `credentials` are `user:password`, or empty."""

    sender: str
    to: tuple[str, ...]
    subject: str
    body: str
    credentials: str


Accept = Callable[[str], bool]
"""Returns whether credentials (empty: none) may send letters."""
Deliver = Callable[[Letter], Reply]
"""Takes a letter, and returns a reply of HTTP, whose status decides the reply of SMTP."""


@asynccontextmanager
async def smtp_server(port: int, accept: Accept, deliver: Deliver) -> AsyncGenerator[int]:
    """Serve SMTP on a port of this machine (0: any) until the block ends; yield the port."""
    sessions: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        sessions.add(task)
        # A session that is cancelled ends here: asyncio would log the exception of its task.
        with suppress(OSError, ValueError, asyncio.CancelledError):
            await _Session(reader, writer, accept, deliver).run()
        writer.close()
        sessions.discard(task)

    server = await asyncio.start_server(serve, sock=listen("127.0.0.1", port), limit=MAX_LINE)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(sessions):
            task.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)


class _Session:
    """The commands of one client; a line that is too long ends it with ValueError."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        accept: Accept,
        deliver: Deliver,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._accept = accept
        self._deliver = deliver
        self._credentials = ""
        self._sender: str | None = None
        self._to: list[str] = []

    async def run(self) -> None:
        """Answer commands until the client leaves."""
        await self._say("220 twin ready")
        while line := await self._reader.readline():
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            answer = await self._answer(verb.upper(), rest)
            if answer:
                await self._say(answer)
            if verb.upper() == "QUIT" or not answer:
                return

    async def _answer(self, verb: str, rest: str) -> str:
        """Return the answer to a command; an empty one closes the connection."""
        match verb:
            case "AUTH":
                return await self._sign_in(rest)
            case "MAIL":
                return self._begin(rest)
            case "RCPT":
                return self._add_recipient(rest)
            case "DATA":
                return await self._take_letter()
            case "RSET":
                self._reset()
                return "250 ok"
            case _:
                return _ANSWERS.get(verb, "500 unknown command")

    async def _sign_in(self, rest: str) -> str:
        mechanism, _, encoded = rest.partition(" ")
        if mechanism.upper() != "PLAIN":
            return "504 use AUTH PLAIN"
        if not encoded:
            await self._say("334 ")
            encoded = (await self._reader.readline()).decode("utf-8", "replace").strip()
        try:
            _, user, password = base64.b64decode(encoded, validate=True).decode().split("\0")
        except (binascii.Error, ValueError):
            return "501 invalid credentials"
        if not self._accept(f"{user}:{password}"):
            return "535 wrong user or password"
        self._credentials = f"{user}:{password}"
        return "235 ok"

    def _begin(self, rest: str) -> str:
        found = _PATH.match(rest)
        if not found:
            return "501 write MAIL FROM:<address>"
        if not self._accept(self._credentials):
            return "530 sign in first"
        size = re.search(r" SIZE=(\d{1,18})", rest, re.IGNORECASE)
        if size and int(size[1]) > MAX_LETTER:
            return "552 the letter is too large"
        self._reset()
        self._sender = found[1]
        return "250 ok"

    def _add_recipient(self, rest: str) -> str:
        found = _PATH.match(rest)
        if self._sender is None or not found:
            return "503 write MAIL FROM:<address> first, then RCPT TO:<address>"
        self._to.append(found[1])
        return "250 ok"

    async def _take_letter(self) -> str:
        if self._sender is None or not self._to:
            return "503 write MAIL and RCPT first"
        await self._say("354 end with a dot")
        lines: list[bytes] = []
        size = 0
        while (line := await self._reader.readline()) != b".\r\n":
            if not line:
                return ""
            size += len(line)
            if size <= MAX_LETTER:
                lines.append(line.removeprefix(b".").replace(b"\r\n", b"\n"))
        if size > MAX_LETTER:
            return "552 the letter is too large"
        subject, body = _read(b"".join(lines))
        letter = Letter(self._sender, tuple(self._to), subject, body, self._credentials)
        self._reset()
        # In a thread: a delivery waits for others.
        reply = await asyncio.to_thread(self._deliver, letter)
        await asyncio.sleep(reply.delay.total_seconds())
        if reply.ending is ReplyEnd.SILENT:
            await self._reader.read()
        if reply.ending is not ReplyEnd.COMPLETE or not reply.begins:
            return ""
        return _answer_of(reply.status)

    def _reset(self) -> None:
        self._sender = None
        self._to = []

    async def _say(self, line: str) -> None:
        self._writer.write(f"{line}\r\n".encode())
        await self._writer.drain()


def _read(content: bytes) -> tuple[str, str]:
    """Return the subject and the text of a message, without the line break at its end."""
    message = message_from_bytes(content, policy=policy.default)
    part = message.get_body(("plain",))
    try:
        body = part.get_content() if part else ""
    except LookupError:
        # An unknown character set.
        body = ""
    return str(message["subject"] or ""), body.replace("\r\n", "\n").removesuffix("\n")


def _answer_of(status: int) -> str:
    if status < HTTPStatus.BAD_REQUEST:
        return "250 ok"
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"451 try later: {status}"
    return f"554 refused: {status}"
