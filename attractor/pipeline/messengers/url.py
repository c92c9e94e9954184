"""Notifies people by posting the notice to a URL, such as the URL of a chat."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from email.message import Message
from http.client import HTTPException
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from attractor import __version__
from attractor.base.durations import describe_duration
from attractor.base.json import JsonObject
from attractor.pipeline.notifications import Messenger, encode_notice
from attractor.pipeline.project.project import Notify


class _NoRedirects(HTTPRedirectHandler):
    """Refuses redirects, so that the notice goes to no other address."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Return no further request."""


async def send(notice: JsonObject, notify: Notify) -> str:
    """Post the notice, on another thread than the event loop."""
    request = Request(
        notify.url,
        data=encode_notice(notice),
        headers={"Content-Type": "application/json", "User-Agent": f"attractor/{__version__}"},
        method="POST",
    )
    seconds = notify.time_limit.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            return await _on_thread(lambda: _post(request, seconds))
    except TimeoutError:
        return f"no response within {describe_duration(notify.time_limit)}"


async def _on_thread(work: Callable[[], str]) -> str:
    """Run a function on a thread that can be abandoned, because a DNS look-up cannot be
    canceled.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()

    def settle(fault: str) -> None:
        if not done.done():
            done.set_result(fault)

    def run() -> None:
        fault = work()
        # The waiting task may have ended by now, and its event loop too.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, fault)

    threading.Thread(target=run, name="notify", daemon=True).start()
    return await done


def _post(request: Request, seconds: float) -> str:
    try:
        with build_opener(_NoRedirects).open(request, timeout=seconds):
            return ""
    except HTTPError as error:
        with error:
            return f"HTTP {error.code} {error.reason}".rstrip()
    except URLError as error:
        return str(error.reason)
    except (OSError, HTTPException, ValueError) as error:
        # The text of the response may contain the address, which is a secret.
        return type(error).__name__


part: Messenger = send
