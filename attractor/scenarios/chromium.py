"""Starts Chromium in a sandbox of its own, where it can reach one port only.

Without a sandbox, a proxy setting keeps it from all other addresses.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.errors import UsageError
from attractor.base.installation import install_command
from attractor.engine.outcome import Culprit
from attractor.engine.truncation import one_line
from attractor.environments.environment import ExecutionEnvironment, RunningCommand
from attractor.scenarios.evaluation import TrialTrouble

if TYPE_CHECKING:
    from playwright.async_api import Browser

# The shell is the same browser without its windows, and starts in half the time.
_PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# The launchers of distributions read /etc, which a sandbox does not show.
_BINARIES = (
    "/usr/lib/chromium/chromium-headless-shell",
    "/usr/lib/chromium/chromium",
    "/usr/lib64/chromium-browser/chromium-browser",
)
_OPTIONS = (
    "--headless=new",
    # It runs in a sandbox of its own, in which it cannot create another one.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    # Port 9 refuses connections: only the service is reached without this proxy.
    "--proxy-server=http://127.0.0.1:9",
    "--remote-debugging-port=0",
    '--user-data-dir="$PWD/profile"',
)
_LISTENING = re.compile(rb"DevTools listening on ws://127\.0\.0\.1:(\d+)/")
_NOT_STARTED = "Chromium does not start"
_START_S = 60.0
_LONGEST_REASON = 300


def explain_missing(
    *, has_playwright: bool, chromium: str, has_axe: bool = True
) -> UsageError | None:
    """Return the error if Playwright, axe or the program of Chromium is missing."""
    if not (has_playwright and has_axe):
        lacking = "axe" if has_playwright else "Playwright"
        return UsageError(
            f"checks of kind browser need {lacking}, which is not installed",
            hint=f"install the extra: {install_command(extra='browser')}",
        )
    if not chromium:
        return UsageError(
            "checks of kind browser need Chromium, which is not installed",
            hint="install it (Debian: apt-get install chromium)",
        )
    return None


def find_chromium(search_path: str) -> str:
    """Return the program of Chromium, or ""."""
    binaries = (binary for binary in _BINARIES if Path(binary).is_file())
    programs = (shutil.which(program, path=search_path) for program in _PROGRAMS)
    return next(filter(None, (*binaries, *programs)), "")


@asynccontextmanager
async def open_chromium(environment: ExecutionEnvironment, port: int) -> AsyncGenerator["Browser"]:
    """Start Chromium in an environment, in which it can reach a port only, and connect to it."""
    # Only suites with this check need Playwright.
    from playwright.async_api import Error, async_playwright

    reachable = f'--proxy-bypass-list="<-loopback>;127.0.0.1:{port}"'
    program = " || ".join(f"command -v {binary}" for binary in (*_BINARIES, *_PROGRAMS))
    options = " ".join((*_OPTIONS, reachable))
    service = await environment.start_service(f'exec "$({program})" {options} about:blank')
    try:
        async with asyncio.timeout(_START_S):
            debugged = await _debugging_port(service)
        async with environment.reach(debugged) as address, async_playwright() as playwright:
            browser = await playwright.chromium.connect_over_cdp(
                f"http://{address}", timeout=_START_S * 1000
            )
            yield browser
    except (Error, TimeoutError) as error:
        words = f"{_NOT_STARTED}: {one_line(str(error), _LONGEST_REASON)}"
        raise TrialTrouble(words, Culprit.MACHINERY, reason=_NOT_STARTED) from error
    finally:
        await service.stop()


async def _debugging_port(service: RunningCommand) -> int:
    output = b""
    async for piece in service.output():
        output += piece
        if found := _LISTENING.search(output):
            return int(found[1])
    last = one_line(output.decode("utf-8", "replace")[-_LONGEST_REASON:], _LONGEST_REASON)
    raise TrialTrouble(f"{_NOT_STARTED}: {last}", Culprit.MACHINERY, reason=_NOT_STARTED)
