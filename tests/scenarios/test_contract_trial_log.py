"""The contract of logs of an evaluation: the run's journal, a list, and the lines of a worker."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.engine.outcome import Culprit, Usage
from attractor.environments.environment import Promises
from attractor.environments.errors import SandboxNotStarted
from attractor.factory.evaluation.elsewhere import SentTrials, TrialLines, read_lines
from attractor.factory.history import trials as trial_log
from attractor.factory.history.trials import EvaluationId, TrialStore, events_of
from attractor.factory.ledger.ledger import Ledger
from attractor.scenarios.check import CheckResult
from attractor.scenarios.evaluation import (
    Progress,
    TrialKey,
    TrialLog,
    TrialResult,
    TrialTrouble,
    evaluate,
)
from attractor.scenarios.suite import Scenario, SuiteSettings, TrialSettings
from attractor.scenarios.suite_setup import SetupResult
from tests.engine.graphs import line
from tests.engine.runs import RUN_ID, Workplace
from tests.scenarios.test_evaluation import Log, scenario

SCENARIOS = [scenario("adding"), scenario("big-1")]
WORDS = {"TrialStarted": "started", "TrialTroubled": "troubled", "TrialCompleted": "completed"}
Story = list[tuple[str, str, int]]


@dataclass(frozen=True)
class ReadableLog:
    """A log, and its present content."""

    log: TrialLog
    read: Callable[[], Story]


def journalled(tmp_path: Path) -> Iterator[ReadableLog]:
    place = Workplace(tmp_path / "run", line("a"))
    results = TrialStore(tmp_path / "results", Ledger(tmp_path / "state"))
    names = {results.opaque_name(one.id): one.id for one in SCENARIOS}

    def read() -> Story:
        found = events_of(place.root / "events.jsonl", set(WORDS))
        return [
            (WORDS[one.type], names[str(one.data["scenario"])], int(str(one.data["trial"])))
            for one in found
        ]

    with place.open() as run:
        yield ReadableLog(trial_log.TrialLog(run, EvaluationId(RUN_ID, 1, "tree"), results), read)


def listed(tmp_path: Path) -> Iterator[ReadableLog]:
    log = Log()

    def read() -> Story:
        said = [line.partition(":")[0].split() for line in log.lines]
        return [(what, name, int(number)) for what, name, number in said]

    yield ReadableLog(log, read)


def elsewhere(tmp_path: Path) -> Iterator[ReadableLog]:
    file, kept = tmp_path / "trials.jsonl", list[int]()

    def keep(used: Usage, ends_trial: bool) -> None:
        # Each line is whole when it is kept.
        kept.append(len(read_lines(file.read_bytes())))

    sent = SentTrials(seal="", promises=Promises())
    log = TrialLines(
        file, sent, SuiteSettings(name="todo", pipeline=("linear",)), SystemClock(), keep
    )

    def read() -> Story:
        lines = read_lines(file.read_bytes())
        assert kept == [*range(1, len(lines) + 1)]
        keys = [(line, line.result.key if line.result else line.key) for line in lines]
        return [(line.happened.value, key.scenario, key.number) for line, key in keys if key]

    yield ReadableLog(log, read)


@pytest.fixture(params=[journalled, listed, elsewhere], ids=["journal", "list", "elsewhere"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReadableLog]:
    yield from request.param(tmp_path)


def result(key: TrialKey, *, satisfied: bool = True) -> TrialResult:
    check = CheckResult("stdout", satisfied, float(satisfied), "größe 🐍\n" * 10_000, "0" * 64)
    return TrialResult(key, satisfied, (check,), 1)


def test_each_note_can_be_read_at_once_and_in_order(kept: ReadableLog) -> None:
    one, other = TrialKey("adding", 1), TrialKey("big-1", 2)
    records: Story = []
    progress = Progress(1, 4, 3)
    for what, key, note in (
        ("started", one, lambda: kept.log.started(one)),
        ("started", other, lambda: kept.log.started(other)),
        (
            "troubled",
            one,
            lambda: kept.log.troubled(
                one, TrialTrouble("größe 🐍: no \udcff\n" * 1000, Culprit.TWIN)
            ),
        ),
        ("started", one, lambda: kept.log.started(one)),
        ("completed", other, lambda: kept.log.completed(result(other), progress)),
        ("completed", one, lambda: kept.log.completed(result(one, satisfied=False), progress)),
    ):
        note()
        records.append((what, key.scenario, key.number))
        assert kept.read() == records


def test_evaluation_writes_each_event_before_it_continues(kept: ReadableLog) -> None:
    tries: list[Story] = []

    async def play_scenario(one: Scenario, key: TrialKey) -> TrialResult:
        tries.append(kept.read())
        if len(tries) == 2:
            raise SandboxNotStarted("no sandbox: größe 🐍")
        return result(key)

    settings = TrialSettings(n=2, infra_retries=1)
    asyncio.run(evaluate(SCENARIOS, play_scenario, kept.log, settings))
    whole: Story = [
        ("started", "adding", 1),
        ("completed", "adding", 1),
        ("started", "adding", 2),
        ("troubled", "adding", 2),
        ("started", "adding", 2),
        ("completed", "adding", 2),
        ("started", "big-1", 1),
        ("completed", "big-1", 1),
        ("started", "big-1", 2),
        ("completed", "big-1", 2),
    ]
    assert kept.read() == whole
    assert tries == [whole[:length] for length in (1, 3, 5, 7, 9)]


def test_first_failed_setup_of_several_processes_is_that_of_the_evaluation(tmp_path: Path) -> None:
    done = SetupResult("tree"), SetupResult(failure="no disk"), SetupResult("tree")
    found: list[SetupResult | None] = []
    for kept in journalled(tmp_path):
        assert isinstance(kept.log, trial_log.TrialLog)
        for setup in done:
            kept.log.setup_completed(setup)
            found.append(kept.log.setup())
    assert found == [done[0], done[1], done[1]]
