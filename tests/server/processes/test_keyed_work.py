"""Work for keys: one at a time, again after pauses, and replaced by what is wanted later."""

from threading import Event

import pytest

from attractor.base.errors import FileError
from attractor.server.errors import TooManyProcesses
from attractor.server.processes import keyed_work
from attractor.server.processes.keyed_work import KeyedWork
from tests.patience import wait_until


def look_until(work: KeyedWork, holds: Event) -> None:
    def look() -> bool:
        work.look()
        return holds.is_set()

    wait_until(look)


def test_work_that_fails_is_done_again_until_it_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed_work, "AGAIN_S", 0.01)
    work, done, told = KeyedWork(), Event(), list[Exception | None]()
    faults = [FileError("no space left"), TooManyProcesses("full"), FileError("no space left")]

    def do() -> None:
        if faults:
            raise faults.pop(0)
        done.set()

    expected = [*faults, None]
    work.want("a", do, told.append)
    look_until(work, done)
    wait_until(lambda: not work.knows("a"))
    assert told == expected


def test_one_key_has_one_thread_and_later_work_replaces_what_has_not_begun() -> None:
    work, goes_on, done, order = KeyedWork(1), Event(), Event(), list[str]()

    def first() -> None:
        goes_on.wait()
        order.append("first")

    work.want("a", first)
    work.look()
    work.want("a", lambda: order.append("replaced"))
    work.want("b", done.set)
    work.want("a", lambda: order.append("last"))
    work.look()
    assert (order, done.is_set()) == ([], False)
    goes_on.set()
    look_until(work, done)
    wait_until(lambda: not work.knows("a"))
    assert order == ["first", "last"]
    work.finish(1)
