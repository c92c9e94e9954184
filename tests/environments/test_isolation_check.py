"""Baits report an access, also on a slow machine."""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable

from attractor.environments.isolation_check import DecoyProcess, decoy_listeners, decoy_process


def with_bystander(work: Callable[[DecoyProcess], Awaitable[bool]]) -> bool:
    async def whole() -> bool:
        async with decoy_process() as decoy:
            return await work(decoy)

    return asyncio.run(whole())


async def untouched(decoy: DecoyProcess) -> bool:
    return await decoy.survived()


async def stopped(decoy: DecoyProcess) -> bool:
    os.kill(decoy.pid, signal.SIGSTOP)
    return await decoy.survived(patience=0.2)


async def killed_while_stopped(decoy: DecoyProcess) -> bool:
    os.kill(decoy.pid, signal.SIGSTOP)
    os.kill(decoy.pid, signal.SIGKILL)
    return await decoy.survived()


async def killed_and_not_reaped_yet(decoy: DecoyProcess) -> bool:
    os.kill(decoy.pid, signal.SIGKILL)
    assert decoy.process.returncode is None
    return await decoy.survived()


async def ended_otherwise(decoy: DecoyProcess) -> bool:
    os.kill(decoy.pid, signal.SIGTERM)
    return await decoy.survived()


def test_an_intact_decoy_survives() -> None:
    assert with_bystander(untouched)


def test_killed_or_stopped_decoys_do_not_survive() -> None:
    assert not with_bystander(killed_and_not_reaped_yet)
    assert not with_bystander(killed_while_stopped)
    assert not with_bystander(ended_otherwise)
    assert not with_bystander(stopped)


def test_no_decoy_is_left() -> None:
    seen: list[int] = []

    async def note(decoy: DecoyProcess) -> bool:
        seen.append(decoy.pid)
        os.kill(decoy.pid, signal.SIGSTOP)
        return True

    assert with_bystander(note)
    assert not os.path.exists(f"/proc/{seen[0]}")  # noqa: PTH110


def test_decoy_listeners_answer_until_full() -> None:
    with decoy_listeners() as listeners:
        assert listeners.answer()
        waiting: list[socket.socket] = []
        try:
            fill_queue(listeners.abstract, waiting)
            assert not listeners.answer()
        finally:
            for one in waiting:
                one.close()


def fill_queue(abstract: str, waiting: list[socket.socket]) -> None:
    """Connect until the queue of the listener is full."""
    for _ in range(10_000):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        waiting.append(made)
        made.setblocking(False)
        try:
            made.connect("\0" + abstract)
        except BlockingIOError:
            return
    raise AssertionError("it takes all who come")
