"""Fixtures for all tests."""

import gc
import re
import signal
import ssl
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers

from tests import prepared
from tests.counts import IS_FULL, count

pytest_plugins = ["tests.packages"]

# A background job of a shell, or a program under nohup, starts with signals ignored that tests
# send.
for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        # Only the main thread may set a handler.
        with suppress(ValueError):
            signal.signal(number, handler)

# Certificates take 15 ms to load for every client, and only a test of HTTPS has one of its own.
ssl.create_default_context = cache(ssl.create_default_context)
# How long one example takes says nothing on a busy machine. The small count tries the same
# examples each time, so that what fails is what was changed; the full one goes on looking.
settings.register_profile(
    "patient", deadline=None, max_examples=count(ci=15, full=100), derandomize=not IS_FULL
)
settings.load_profile("patient")
if not IS_FULL:
    # Else the examples depend on the numbers and texts of all modules, which each worker of a new
    # clone parses for 3 s.
    providers._get_local_constants = providers.Constants  # pyright: ignore


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_configure(config: pytest.Config) -> None:
    """Keep the garbage collector from going over thousands of tests while they are gathered."""
    gc.disable()
    if worker := _worker(config):
        prepared.share(worker["program"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Let the workers share the process that has the program ready: loading takes 2 s."""
    node.workerinput["program"] = prepared.address()


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Let each worker of a whole run start to load the tests at another place.

    After a checkout, pytest compiles them for 7 s; workers in step would all compile all of them.
    The measurement of coverage starts before.
    """
    worker = _worker(session.config)
    if not worker or session.config.args != session.config.getini("testpaths"):
        return
    files = sorted(Path(__file__).parent.rglob("test_*.py"))
    start = int(worker["workerid"].removeprefix("gw")) * len(files) // worker["workercount"]
    for file in files[start:] + files[:start]:
        # Gathering the tests reports it.
        with suppress(Exception, pytest.skip.Exception):
            import_module(".".join(file.relative_to(session.config.rootpath).with_suffix("").parts))


def _worker(config: pytest.Config) -> dict[str, Any] | None:
    return getattr(config, "workerinput", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests that load litellm first, where one worker plays them all: loading takes 3 s."""
    items.sort(key=lambda one: not re.search("litellm|tests/llm/", one.nodeid))


def pytest_collection_finish() -> None:
    """Let it begin, but not with what stays to the end: going over that is most of its work."""
    gc.freeze()
    # Tests parse and draw much that has no cycles: at the default of 700, a tenth of all time.
    gc.set_threshold(50_000)
    gc.enable()
