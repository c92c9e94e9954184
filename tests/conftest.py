"""Fixtures for all tests."""

import gc
import os
import signal
import ssl
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers

from tests import prepared
from tests.costs import read_costs
from tests.counts import IS_FULL, count

pytest_plugins = ["tests.needs", "tests.packages", "tests.workers"]

# The settings and the state of the person who tests. The cache stays: browsers are installed there.
for name in ("CONFIG_HOME", "CONFIG_DIRS", "STATE_HOME", "DATA_HOME", "DATA_DIRS", "RUNTIME_DIR"):
    os.environ.pop(f"XDG_{name}", None)

# A background job of a shell, or a program under nohup, starts with ignored signals that tests
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
# On a busy machine the duration of an example means nothing. The small count uses the same examples
# each time, so that a new failure is caused by a change; the full count uses new ones.
settings.register_profile(
    "patient", deadline=None, max_examples=count(ci=15, full=100), derandomize=not IS_FULL
)
settings.load_profile("patient")
if not IS_FULL:
    # Otherwise the examples depend on the numbers and texts of all modules, which each worker of a
    # new clone parses for 3 s.
    providers._get_local_constants = providers.Constants  # pyright: ignore


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_configure(config: pytest.Config) -> None:
    """Disable the garbage collector while thousands of tests are collected."""
    gc.disable()
    if worker := _worker(config):
        prepared.share(worker["program"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Let the workers share the process that has the program loaded: loading takes 2 s."""
    node.workerinput["program"] = prepared.address()


def _worker(config: pytest.Config) -> dict[str, Any] | None:
    return getattr(config, "workerinput", None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests."""
    slow = read_costs().slow
    for item in items:
        if item.nodeid in slow:
            item.add_marker("slow")


def pytest_collection_finish() -> None:
    """Enable the garbage collector, except for the objects of the collection: most of its work."""
    gc.freeze()
    # Tests parse and draw much that has no cycles: with the default of 700 this takes a tenth of
    # all time.
    gc.set_threshold(50_000)
    gc.enable()
