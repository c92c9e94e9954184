"""Compresses whole answers of texts with gzip; streams stay as they are.

The length of a compressed page could tell its secret: a text from the address that repeats a part
of it makes the page shorter (BREACH). The only secret in a page is the value that its forms send.
It is compressed alone, so that nothing before or after it refers to it. A mask that changes with
each answer would do, too, but then no fragment of a page would equal the one before.
"""

import re
import zlib
from functools import partial

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope as Connection, Send

_TEXTS = re.compile(r"(text/(html|css|javascript)|application/(problem\+)?json|image/svg\+xml)\b")
SMALLEST = 1000
"""The bytes from which an answer is compressed."""

LARGE = 1 << 16
"""The bytes from which compression takes longer than a change of threads."""


def accepts_gzip(accepted: str) -> bool:
    """Return whether a header accepts gzip; a weight of 0 refuses it."""
    return bool(re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", accepted))


class Compression:
    """Compresses the answers to known callers that accept it.

    The page of an unknown caller can have the secret name of the server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if connection["type"] != "http" or connection["state"]["caller"] is None:
            await self._app(connection, receive, send)
            return
        accepts = accepts_gzip(Headers(scope=connection).get("accept-encoding", ""))
        compress = partial(compressed, secret=connection["state"]["csrf"].encode())
        begin: Message | None = None

        async def send_compressed(message: Message) -> None:
            nonlocal begin
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if _TEXTS.match(headers.get("content-type", "")):
                    headers.add_vary_header("accept-encoding")
                    if accepts and "content-encoding" not in headers:
                        # Its length is known with the body.
                        begin = message
                        return
            elif begin:
                first, begin = begin, None
                body = message.get("body", b"")
                if len(body) >= SMALLEST and not message.get("more_body"):
                    is_large = len(body) >= LARGE
                    body = await run_in_threadpool(compress, body) if is_large else compress(body)
                    headers = MutableHeaders(scope=first)
                    headers["content-encoding"] = "gzip"
                    headers["content-length"] = str(len(body))
                    message = {**message, "body": body}
                await send(first)
            await send(message)

        await self._app(connection, receive, send_compressed)


def compressed(body: bytes, secret: bytes) -> bytes:
    """Return a text in the format of gzip; parts of the secret elsewhere do not make it shorter."""
    gzip = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    parts = body.split(secret) if secret else [body]
    found = [gzip.compress(parts[0])]
    for part in parts[1:]:
        # After a full flush, nothing refers to what was before.
        found += [gzip.flush(zlib.Z_FULL_FLUSH), gzip.compress(secret)]
        found += [gzip.flush(zlib.Z_FULL_FLUSH), gzip.compress(part)]
    return b"".join([*found, gzip.flush()])
