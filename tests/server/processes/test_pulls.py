"""A server reads the open pull requests of its projects, without a webhook."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from queue import SimpleQueue

import pytest

from attractor.base.clock import SystemClock
from attractor.base.errors import FileError, words_of
from attractor.factory.decisions.lock import lock_run
from attractor.factory.open_project import OpenProject
from attractor.factory.pulls.readings import PullReadings
from attractor.factory.pulls.rounds import list_rounds
from attractor.server.processes.pulls import PullLoop
from attractor.server.processes.repeated import Repeated
from tests.factory.flows import Flow
from tests.factory.pulls.test_rounds import (
    flow_on,
    forge as forge,  # a fixture
    propose,
)
from tests.forges import NAME, REVIEWER, Hub, hub
from tests.patience import wait_until
from tests.tables import table


@contextmanager
def reading(flow: Flow, opened: OpenProject, every: timedelta) -> Generator[None]:
    clock = flow.machine.clock
    state, told = flow.machine.state_dir, list[str]()
    pulls = PullLoop(state, lambda project_id: opened, clock, SimpleQueue(), told.append, every)
    loop = Repeated("pulls", pulls.look, told.append, every_s=0.05)
    loop.start()
    try:
        yield
    finally:
        loop.stop()
    assert told == []


def test_merge_is_recorded_without_a_webhook(forge: Hub, tmp_path: Path) -> None:
    flow, result = flow_on(forge, tmp_path)
    made = propose(flow, result).round
    with reading(flow, flow.opened, timedelta(milliseconds=50)):
        forge.merge(made.number, squash=True)
        wait_until(lambda: [one.ending for one in list_rounds(flow.opened)] == ["merged"])
        wait_until(lambda: not PullReadings.of(flow.opened).all())


def test_pull_request_that_is_closed_and_opened_again_is_merged(forge: Hub, tmp_path: Path) -> None:
    flow, result = flow_on(forge, tmp_path)
    made = propose(flow, result).round

    def endings() -> list[str]:
        return [one.ending for one in list_rounds(flow.opened)]

    with reading(flow, flow.opened, timedelta(milliseconds=50)):
        forge.ask(f"PATCH /pulls/{made.number}", {"state": "closed"}, by=REVIEWER)
        wait_until(lambda: endings() == ["closed"])
        forge.ask(f"PATCH /pulls/{made.number}", {"state": "open"}, by=REVIEWER)
        wait_until(lambda: endings() == [""])
        forge.merge(made.number, squash=True)
        wait_until(lambda: endings() == ["merged"])
        wait_until(lambda: not PullReadings.of(flow.opened).all())


def test_what_was_read_a_moment_ago_and_a_project_without_a_token_are_left_alone(
    forge: Hub, tmp_path: Path
) -> None:
    flow, result = flow_on(forge, tmp_path)
    made = propose(flow, result).round
    forge.merge(made.number, squash=True)
    environ = {key: one for key, one in flow.machine.environ.items() if key != "GITHUB_TOKEN"}
    away = flow.adjusted(environ=environ).opened
    with (
        reading(flow, flow.opened, timedelta(hours=1)),
        reading(flow, away, timedelta(milliseconds=50)),
    ):
        time.sleep(1)
    [listed] = list_rounds(flow.opened)
    assert listed.ending == ""
    assert [one.fault for one in PullReadings.of(flow.opened).all()] == [""]


def test_limit_of_the_forge_is_no_fault_and_keeps_no_run_locked(tmp_path: Path) -> None:
    with hub(rate={"limit": 60, "remaining": 60, "reset": 0}) as forge:
        flow, result = flow_on(forge, tmp_path)
        propose(flow, result)
        while forge.send(f"GET /repos/{NAME}").status_code != 403:
            pass
        with reading(flow, flow.opened, timedelta(milliseconds=50)):
            time.sleep(1)
            with lock_run(result.directory, flow.opened):
                pass
        assert [one.fault for one in PullReadings.of(flow.opened).all()] == [""]


@table("fault", [FileError("the disk is full"), ValueError("a defect")])
def test_fault_is_reported_once_and_read_again_after_a_pause(
    tmp_path: Path, fault: Exception
) -> None:
    with hub() as forge:
        flow, result = flow_on(forge, tmp_path)
        propose(flow, result)
    tries, told = list[str](), list[str]()

    def opened_of(project_id: str) -> OpenProject:
        tries.append(project_id)
        raise fault

    clock, every = flow.machine.clock, timedelta(milliseconds=200)
    pulls = PullLoop(flow.machine.state_dir, opened_of, clock, SimpleQueue(), told.append, every)
    loop = Repeated("pulls", pulls.look, told.append, every_s=0.02)
    begun = time.monotonic()
    loop.start()
    wait_until(lambda: len(tries) == 3)
    loop.stop()
    assert time.monotonic() - begun > 0.4
    [sentence] = told
    assert sentence.startswith("http")
    assert words_of(fault) in sentence


class CountedClock(SystemClock):
    looks = 0

    def now(self) -> datetime:
        self.looks += 1
        return super().now()


def test_webhook_of_another_project_causes_one_look(tmp_path: Path) -> None:
    with hub() as forge:
        flow, result = flow_on(forge, tmp_path)
        propose(flow, result)
    clock, asked = CountedClock(), SimpleQueue[tuple[str, str]]()
    asked.put(("another", NAME))
    pulls = PullLoop(flow.machine.state_dir, lambda _: flow.opened, clock, asked, pytest.fail)
    for _ in range(3):
        pulls.look()
    assert clock.looks == 1
    asked.put(("another", NAME))
    pulls.look()
    assert clock.looks == 2
