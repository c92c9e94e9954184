"""Sends HTTP requests to the services of a candidate, which may answer with anything."""

import asyncio
import codecs
import json
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from time import monotonic

import httpx

from attractor.base.dataclasses import dataclass
from attractor.environments.environment import ExecutionEnvironment
from attractor.scenarios.suite import RequestStep

_MAX_BODY, _MAX_OF_SEVERAL = 16 * 1024 * 1024, 1024 * 1024
_ENCODINGS = ("identity", "gzip", "deflate")
_UTF_8 = "utf-8"
_CHARSETS = {
    _UTF_8,
    "ascii",
    "iso8859-1",
    "iso8859-15",
    "cp1252",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
}
_GZIP_OR_ZLIB, _RAW_DEFLATE = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS


class RequestFailed(Exception):
    """A request without a complete, readable response in time."""


@dataclass(frozen=True)
class HttpAnswer:
    """The status, headers and text of a response, and each `set-cookie`."""

    status: int
    headers: Mapping[str, str]
    body: str
    cookies: Sequence[str] = ()


async def send_request(
    step: RequestStep, environment: ExecutionEnvironment, timeout: timedelta
) -> HttpAnswer:
    """Send the request of a step to a port of an environment, and read the whole response.

    The response to one of several requests may be small only.
    """
    most = _MAX_BODY if step.repeat == 1 else _MAX_OF_SEVERAL
    seconds = timeout.total_seconds()
    content = step.body
    # The port outside is another one in each trial.
    headers = {"host": f"127.0.0.1:{step.port}", "accept-encoding": "gzip, deflate"}
    if step.json_ is not None:
        content = json.dumps(step.json_, ensure_ascii=False)
        headers["content-type"] = "application/json"
    headers |= {name.lower(): value for name, value in step.headers.items()}
    async with environment.reach(step.port) as address:
        url = f"http://{address}{step.path}"
        try:
            async with (
                # The client's timeout is for each read, not for all of an endless response.
                asyncio.timeout(seconds),
                # Loading certificates takes 30 ms, and the URL is plain HTTP.
                httpx.AsyncClient(timeout=seconds, trust_env=False, verify=False) as client,
                client.stream(step.method, url, content=content, headers=headers) as answer,
            ):
                body = await _read_text(answer, most)
        # httpx also parses the location of a redirect that it does not follow.
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, TimeoutError) as error:
            raise RequestFailed(type(error).__name__) from error
    cookies = answer.headers.get_list("set-cookie")
    return HttpAnswer(answer.status_code, dict(answer.headers), body, cookies)


async def send_several(
    step: RequestStep, environment: ExecutionEnvironment, timeout: timedelta
) -> tuple[str, tuple[float, ...]]:
    """Send a repeated request; return how the statuses differ, or "", and the times."""
    gate, seconds = asyncio.Semaphore(step.at_once), list[float]()

    async def send() -> str:
        async with gate:
            began = monotonic()
            try:
                return str((await send_request(step, environment, timeout)).status)
            except RequestFailed as error:
                return f"no response ({error})"
            finally:
                seconds.append(monotonic() - began)

    counts = Counter(await asyncio.gather(*(send() for _ in range(step.repeat))))
    found = (f"{count} with {status}" for status, count in counts.most_common())
    return "" if counts == step.statuses else ", ".join(found), tuple(seconds)


async def _read_text(answer: httpx.Response, most: int) -> str:
    """Return the text of a response, decompressed in steps up to the largest size.

    httpx decompresses each chunk as a whole, however large the result is.
    """
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in _ENCODINGS:
        raise RequestFailed(f"unsupported content-encoding {encoding!r}")
    decompress = None if encoding == "identity" else _decompressor()
    content = bytearray()
    async for chunk in answer.aiter_raw():
        content += decompress(chunk, most + 1 - len(content)) if decompress else chunk
        if len(content) > most:
            raise RequestFailed(f"the response is larger than {most} bytes")
    return content.decode(_charset(answer.charset_encoding), "replace")


def _charset(name: str | None) -> str:
    """Return a known charset (default: UTF-8); Python's other codecs fail, or decompress."""
    try:
        known = codecs.lookup(name or _UTF_8).name
    except (LookupError, ValueError):
        return _UTF_8
    return known if known in _CHARSETS else _UTF_8


def _decompressor() -> Callable[[bytes, int], bytes]:
    """Return a function that decompresses the next chunk, up to a number of bytes."""
    decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
    is_first = True

    def decompress(chunk: bytes, most: int) -> bytes:
        nonlocal decoder, is_first
        try:
            return decoder.decompress(chunk, most)
        except zlib.error as error:
            if not is_first:
                raise RequestFailed(f"invalid compressed response: {error}") from error
        finally:
            is_first = False
        # Some servers send deflate without the header of zlib.
        decoder = zlib.decompressobj(_RAW_DEFLATE)
        return decompress(chunk, most)

    return decompress
