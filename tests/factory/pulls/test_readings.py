"""What is read of an open pull request is kept, and says what a person has to do next."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from attractor.attention.reading import read_attention
from attractor.attention.rows import AttentionRow
from attractor.base.errors import Refused
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.errors import ForgeRefused
from attractor.factory.promotion_queue import PromotionQueues
from attractor.factory.pulls.forge import ForgeCheck
from attractor.factory.pulls.forges.github import GitHub
from attractor.factory.pulls.next_round import next_round
from attractor.factory.pulls.propose import propose_run
from attractor.factory.pulls.readings import PullReading, PullReadings, pull_step
from attractor.factory.pulls.sync import sync_pull
from tests.factory.flows import Flow
from tests.factory.pulls.test_rounds import (
    begin_next,
    flow_on,
    forge as forge,  # a fixture
    propose,
    sync,
)
from tests.forges import CHECKS, REVIEWER, Hub

NOW = datetime(2026, 5, 1, tzinfo=UTC)
QUIET = PullReading(
    run_id="R",
    repository="ada/shop",
    number=7,
    url="https://forge/ada/shop/pull/7",
    target="main",
    round=1,
    most=3,
    read=NOW,
    since=NOW,
    passed=2,
    pending=("lint",),
)
SAID = replace(QUIET, failed=("test",), remarks=("1", "2"))


@pytest.mark.parametrize(
    ("reading", "words", "command"),
    [
        (SAID, "1 check failed, 2 remarks: round 2 of at most 3 has not begun", "pr next R"),
        (
            replace(SAID, round=3),
            "its 3 rounds of pull_request.max_rounds are used up",
            "max_rounds=4 pr next R",
        ),
        (
            replace(SAID, has_conflict=True),
            "conflicts with main",
            "git pull && attractor run FILE --feedback R",
        ),
        (replace(SAID, has_conflict=True, moved_to="abc"), "pushed abc", "pr sync R"),
        (replace(SAID, retargeted_to="release"), "from main to release", "pr sync R"),
        (replace(SAID, moved_to="abc", fault="403"), "cannot be read: 403", "pr sync R"),
        (replace(SAID, fault="403", merged_outside="abc"), "no promotion", "git show abc"),
    ],
)
def test_pull_request_names_the_next_command(
    reading: PullReading, words: str, command: str
) -> None:
    step = pull_step(reading)
    assert step
    assert words in step.words
    assert step.command.endswith(command)
    assert step.begins_round == (reading == SAID)


def test_pull_request_that_waits_for_others_needs_nobody() -> None:
    assert pull_step(QUIET) is None
    assert pull_step(replace(SAID, next_run="N")) is None


def test_begun_round_stays_when_more_is_said(tmp_path: Path) -> None:
    readings, later = PullReadings(tmp_path / "pulls"), NOW + timedelta(hours=1)
    readings.begin_next("R", "N")
    assert not readings.folder.exists()
    readings.keep(SAID)
    readings.keep(replace(SAID, read=later, since=later))
    assert readings.all() == [replace(SAID, read=later)]
    readings.begin_next("R", "N")
    readings.keep(replace(SAID, read=later, since=later))
    assert [one.next_run for one in readings.all()] == ["N"]
    more = replace(SAID, remarks=("1", "2", "3"), read=later, since=later)
    readings.keep(more)
    assert readings.all() == [replace(more, next_run="N", since=NOW)]
    readings.remove("ada/shop", 7)
    assert readings.all() == []


def test_readings_of_two_processes_keep_the_begun_round(tmp_path: Path) -> None:
    readings, is_done = PullReadings(tmp_path / "pulls"), Event()
    readings.keep(SAID)

    def read_again() -> None:
        while not is_done.wait(0.001):
            PullReadings(tmp_path / "pulls").keep(SAID)

    reader = Thread(target=read_again)
    reader.start()
    try:
        for number in range(50):
            readings.begin_next("R", f"N{number}")
            time.sleep(0.002)
            assert [one.next_run for one in readings.all()] == [f"N{number}"]
    finally:
        is_done.set()
        reader.join()


def rows(flow: Flow) -> list[AttentionRow]:
    state, now = flow.machine.state_dir, flow.machine.clock.now()
    found = read_attention(state, now, flow.machine.environ)
    assert found.troubles == []
    return [row for row in found.rows if row.need == "pull request"]


def test_failed_check_is_a_row_of_attention_until_the_next_round(
    forge: Hub, tmp_path: Path
) -> None:
    flow, result = flow_on(forge, tmp_path)
    made = propose(flow, result).round
    assert rows(flow) == []
    check = {"name": "test", "head_sha": made.commit, "conclusion": "failure"}
    forge.ask("POST /check-runs", check, by=CHECKS)
    sync(flow, result)
    [row] = rows(flow)
    assert row.reason.endswith("1 check failed: round 2 of at most 3 has not begun")
    assert row.command == f"cd {flow.project} && attractor pr next {result.run_id}"
    following = begin_next(flow, result)
    assert rows(flow) == []
    propose(flow, following)
    [reading] = PullReadings.of(flow.opened).all()
    assert (reading.run_id, reading.round, reading.failed) == (following.run_id, 2, ())


def test_reading_stays_about_the_latest_round_and_returns_to_it(
    forge: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow, result = flow_on(forge, tmp_path)
    made = propose(flow, result).round
    forge.say(made.number, "Longer, please.")
    sync(flow, result)
    readings, before = PullReadings.of(flow.opened), PullReadings.of(flow.opened).all()[0]
    following = begin_next(flow, result)
    checks = GitHub.checks

    async def checks_while_a_round_is_proposed(
        self: GitHub, number: int, commit: str
    ) -> Sequence[ForgeCheck]:
        await propose_run(following.directory, flow.opened, target="", by="ben")
        return await checks(self, number, commit)

    monkeypatch.setattr(GitHub, "checks", checks_while_a_round_is_proposed)
    sync(flow, result)
    assert [one.run_id for one in readings.all()] == [following.run_id]
    monkeypatch.undo()
    readings.keep(before)
    with pytest.raises(Refused, match="is a later round"):
        sync(flow, result)
    [reading] = readings.all()
    assert (reading.run_id, reading.round) == (following.run_id, 2)


def test_round_that_a_process_begins_is_not_lost_before_its_run_exists(
    forge: Hub, tmp_path: Path
) -> None:
    flow, result = flow_on(forge, tmp_path)
    made = propose(flow, result).round
    forge.say(made.number, "Longer, please.")
    sync(flow, result)
    readings, run_id = PullReadings.of(flow.opened), flow.machine.new_run_id()
    with next_round(result.directory, flow.opened):
        readings.begin_next(result.run_id, run_id)
        sync(flow, result)
        assert [one.next_run for one in readings.all()] == [run_id]
    sync(flow, result)
    assert [one.next_run for one in readings.all()] == [""]


def test_rejected_round_is_asked_for_again(forge: Hub, tmp_path: Path) -> None:
    flow, result = flow_on(forge, tmp_path)
    made = propose(flow, result).round
    forge.ask(f"POST /issues/{made.number}/comments", {"body": "Longer, please."}, by=REVIEWER)
    sync(flow, result)
    rejected = flow.launch(feedback=result)
    assert rows(flow) == []
    with (
        pytest.raises(Refused, match=f"has begun: {rejected.run_id}"),
        next_round(result.directory, flow.opened),
    ):
        pass
    flow.decide(rejected, DecisionKind.REJECTED)
    sync(flow, result)
    assert [row.run_id for row in rows(flow)] == [result.run_id]
    # The process of a round ended before its run existed.
    PullReadings.of(flow.opened).begin_next(result.run_id, flow.machine.new_run_id())
    with next_round(result.directory, flow.opened) as request:
        assert request.builds_on == result.run_id
    sync(flow, result)
    assert [row.run_id for row in rows(flow)] == [result.run_id]


def stranger_pushes(forge: Hub, folder: Path, branch: str) -> None:
    forge.commit(folder, branch, "more.txt", "more\n")


def target_conflicts(forge: Hub, folder: Path, branch: str) -> None:
    forge.commit(folder, "main", "made.txt", "other\n")


def merge_outside(forge: Hub, folder: Path, branch: str) -> None:
    stranger_pushes(forge, folder, branch)
    forge.merge(1, squash=True)


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (stranger_pushes, "another person pushed"),
        (target_conflicts, "conflicts with main"),
        (merge_outside, "merged outside"),
    ],
)
def test_work_of_others_on_a_pull_request_is_a_row_of_attention(
    forge: Hub, tmp_path: Path, happens: Callable[[Hub, Path, str], None], words: str
) -> None:
    flow, result = flow_on(forge, tmp_path)
    happens(forge, tmp_path, propose(flow, result).round.branch)
    sync(flow, result)
    [row] = rows(flow)
    assert words in row.reason


def test_refusal_of_the_forge_is_a_row_of_attention_until_it_answers(
    forge: Hub, tmp_path: Path
) -> None:
    flow, result = flow_on(forge, tmp_path)
    propose(flow, result)
    away = flow.adjusted(environ={**flow.machine.environ, "GITHUB_TOKEN": "revoked"}).opened
    with pytest.raises(ForgeRefused):
        asyncio.run(sync_pull(result.directory, away, by="ann"))
    [row] = rows(flow)
    assert "cannot be read: GitHub answered 401" in row.reason
    sync(flow, result)
    assert rows(flow) == []


def test_damaged_queue_and_reading_are_troubles_and_hide_no_other_row(
    forge: Hub, tmp_path: Path
) -> None:
    flow, result = flow_on(forge, tmp_path)
    state, now, environ = flow.machine.state_dir, flow.machine.clock.now(), flow.machine.environ
    assert [row.need for row in read_attention(state, now, environ).rows] == []
    made = propose(flow, result).round
    forge.say(made.number, "Longer, please.")
    sync(flow, result)
    queues = PromotionQueues.of(flow.opened).folder
    queues.mkdir()
    (queues / "main.json").write_text("{")
    found = read_attention(state, now, environ)
    assert [row.need for row in found.rows] == ["pull request"]
    [trouble] = found.troubles
    assert trouble.startswith(f"the queues of {flow.project} cannot be read: ")
    (PullReadings.of(flow.opened).folder / "damaged.json").write_text("{")
    found = read_attention(state, now, environ)
    assert found.rows == []
    assert [words.split(" cannot be read: ")[0] for words in found.troubles] == [
        f"the pull requests of {flow.project}",
        f"the queues of {flow.project}",
    ]
