"""Tells people by an address that is sent what is asked, such as that of a chat."""

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
from attractor.pipeline.host.run_host import Notify
from attractor.pipeline.notifications.notifier import Messenger, sent_bytes


class _StaysHere(HTTPRedirectHandler):
    """Follows nobody elsewhere: what is sent on would not be what was to be sent."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Return no other request."""


async def tell(notice: JsonObject, notify: Notify) -> str:
    """Post the notice, at the side of the event loop."""
    request = Request(
        notify.url,
        data=sent_bytes(notice),
        headers={"Content-Type": "application/json", "User-Agent": f"attractor/{__version__}"},
        method="POST",
    )
    seconds = notify.time_limit.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            return await _beside(lambda: _post(request, seconds))
    except TimeoutError:
        return f"no answer within {describe_duration(notify.time_limit)}"


async def _beside(work: Callable[[], str]) -> str:
    """Do the work on a thread that nobody has to wait for: a look-up of a name cannot be ended."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()

    def settle(fault: str) -> None:
        if not done.done():
            done.set_result(fault)

    def run() -> None:
        fault = work()
        # Whoever waited may be gone by now, and the loop with it.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, fault)

    threading.Thread(target=run, name="notify", daemon=True).start()
    return await done


def _post(request: Request, seconds: float) -> str:
    try:
        with build_opener(_StaysHere).open(request, timeout=seconds):
            return ""
    except HTTPError as error:
        with error:
            return f"HTTP {error.code} {error.reason}".rstrip()
    except URLError as error:
        return str(error.reason)
    except (OSError, HTTPException, ValueError) as error:
        # Their words may quote the address.
        return type(error).__name__


part: Messenger = tell
