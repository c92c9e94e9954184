"""Trials that another machine plays: the file that is sent to it, and the lines that it writes.

That machine has the sealed suite, but no ledger. It writes a line before and after each trial, and
continues only when the line is kept. The machine with the ledger records each line once.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, VerificationError
from attractor.base.json import Json, canonical_json, parse_object
from attractor.base.records import read_record, write_record
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.environments.environment import Promises
from attractor.factory.history.trials import TrialLog
from attractor.factory.open_project import OpenProject, TrialsElsewhere
from attractor.pipeline.plan.run_plan import BegunRun
from attractor.scenarios.evaluation import (
    CRASHED,
    EarlierTrials,
    Progress,
    TrialKey,
    TrialResult,
    TrialTrouble,
    Trouble,
    cut_trial,
    seeded_suite,
    trial_keys,
)
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.scenarios.suite import Suite, SuiteSettings
from attractor.scenarios.suite_setup import SetupResult
from attractor.scenarios.wall.crossing import write_crossing
from attractor.workspaces.folders import borrowed_folder

if TYPE_CHECKING:
    from attractor.factory.evaluation.trial_player import SetUp


@dataclass(frozen=True)
class EarlierTroubles:
    """The troubles of a trial that has no result yet."""

    key: TrialKey
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True, kw_only=True)
class SentTrials:
    """The file that is sent to another machine, beside the run and its sealed suite.

    `results` and `troubles` are those of trials that were played before, and `setup` is that of the
    suite. The evaluations of the run took `seconds` so far. The sandbox there must keep these
    `promises`. `crossing` is what may cross the walls of the suite. It is the evaluation with the
    number `of_tree` of the tree.
    """

    seal: str
    promises: Promises
    seconds: float = 0.0
    results: tuple[TrialResult, ...] = ()
    troubles: tuple[EarlierTroubles, ...] = ()
    setup: SetupResult | None = None
    crossing: Json = None
    of_tree: int = 1

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        return canonical_json(write_record(self)).encode()

    def seeded(self, sealed: SealedSuite) -> SealedSuite:
        """Return a suite with the seed of the evaluation."""
        return replace(sealed, suite=seeded_suite(sealed.suite, self.of_tree))

    @classmethod
    def from_bytes(cls, content: bytes) -> "SentTrials":
        """Read the content of the file."""
        return read_record(cls, parse_object(content) or {})


class Happened(StrEnum):
    """The kinds of lines."""

    STARTED = "started"
    TROUBLED = "troubled"
    COMPLETED = "completed"
    SETUP_STARTED = "setup_started"
    SETUP_COMPLETED = "setup_completed"


@dataclass(frozen=True, kw_only=True)
class TrialLine:
    """What happened to a trial, or to the setup of the suite, after `seconds` of evaluation."""

    happened: Happened
    seconds: float
    key: TrialKey | None = None
    trouble: Trouble | None = None
    ends_evaluation: bool = False
    result: TrialResult | None = None
    progress: Progress | None = None
    setup: SetupResult | None = None

    def record(self, log: TrialLog) -> None:
        """Record the line in the log of the evaluation."""
        if self.key:
            if self.happened is Happened.STARTED:
                log.started(self.key)
            if self.trouble:
                error = TrialTrouble("", self.trouble.culprit, reason=self.trouble.reason)
                error.ends_evaluation = self.ends_evaluation
                log.troubled(self.key, error)
        if self.happened is Happened.SETUP_STARTED:
            log.setup_started()
        if self.setup:
            log.setup_completed(self.setup)
        if self.result:
            log.completed(self.result, self.progress)


def read_lines(content: bytes) -> Sequence[TrialLine]:
    """Read the complete lines of a file."""
    complete = content[: content.rfind(b"\n") + 1]
    return [read_record(TrialLine, parse_object(line) or {}) for line in complete.splitlines()]


async def play_elsewhere(
    elsewhere: TrialsElsewhere,
    opened: OpenProject,
    begun: BegunRun,
    sealed: SealedSuite,
    log: TrialLog,
    earlier: EarlierTrials,
) -> None:
    """Let another machine play missing trials and ask the judge again; record its lines."""
    name = _name_of(log, log.times_sent() + 1)
    sent = SentTrials(
        seal=sealed.seal,
        promises=begun.plan.sandbox.promises,
        seconds=log.recorded_seconds(),
        results=tuple(earlier.results.values()),
        troubles=tuple(
            EarlierTroubles(key, troubles) for key, troubles in earlier.troubles.items() if troubles
        ),
        setup=log.setup(),
        crossing=None if sealed.crossing is None else write_crossing(sealed.crossing),
        of_tree=log.of_tree,
    )
    # Before it is known elsewhere: the next process asks for it.
    log.send(name, await elsewhere.fleet_id())
    await elsewhere.send(opened, begun, sealed, name, sent.to_bytes())
    await take_lines(elsewhere, log, sealed.suite)


async def take_lines(elsewhere: TrialsElsewhere, log: TrialLog, suite: Suite) -> None:
    """Record the lines about the trials that were sent last, until no machine plays them."""
    if count := log.times_sent():
        await _require_same(elsewhere, log)
        async for content in elsewhere.follow(_name_of(log, count)):
            _record_lines(read_lines(content), log, suite)


def stop_trials(elsewhere: TrialsElsewhere, log: TrialLog, suite: Suite) -> None:
    """Let no other machine play the trials that were sent last; record what happened until then."""
    if count := log.times_sent():

        async def stop() -> bytes:
            await _require_same(elsewhere, log)
            return await elsewhere.stop(_name_of(log, count))

        # The caller may have a loop of its own.
        with ThreadPoolExecutor(1) as thread:
            content = thread.submit(lambda: asyncio.run(stop()))
        _record_lines(read_lines(content.result()), log, suite)


async def _require_same(elsewhere: TrialsElsewhere, log: TrialLog) -> None:
    """Refuse another fleet than that to which trials were sent: it would play them again."""
    if (sent_to := log.fleet()) != await elsewhere.fleet_id():
        raise Refused(
            f"trials of {log.evaluation_id.run_id} were sent to another fleet ({sent_to[:8]})",
            hint="set fleet.url as where they were sent from, so that no trial is played twice",
        )


def _name_of(log: TrialLog, count: int) -> str:
    """Return the name of the trials of an evaluation that were sent for the nth time."""
    return f"{log.evaluation_id.run_id}.evaluation.{log.evaluation_id.number}.{count}"


def _record_lines(lines: Sequence[TrialLine], log: TrialLog, suite: Suite) -> None:
    """Record the lines that the log of an evaluation lacks; refuse trials that it does not have."""
    known = trial_keys(suite)
    recorded = log.recorded_lines()
    for number, line in enumerate(lines[recorded:], start=recorded):
        key = line.result.key if line.result else line.key
        if key and key not in known:
            raise VerificationError(
                f"another machine played trial {key.number} of a scenario that the suite lacks",
                hint="look who plays trials: attractor fleet workers",
            )
        line.record(replace(log, line=number, elapsed=line.seconds))


@dataclass
class TrialLines:
    """The log of trials on a machine without a ledger: lines in a file.

    `keep` returns when a line is safe. Its arguments are the usage of the judge so far, and whether
    the line has the result of a trial.
    """

    file: Path
    sent: SentTrials
    settings: SuiteSettings
    clock: Clock
    keep: Callable[[Usage, bool], None]
    _lines: list[TrialLine] = field(default_factory=list[TrialLine])
    _before: float = 0.0
    _began: float = 0.0

    def __post_init__(self) -> None:
        if self.file.exists():
            self._lines += read_lines(self.file.read_bytes())
        self._before = self._lines[-1].seconds if self._lines else self.sent.seconds
        self._began = self.clock.monotonic()

    def seconds(self) -> float:
        """Return the seconds that the evaluations of the run took so far."""
        return self._before + self.clock.monotonic() - self._began

    @property
    def _now(self) -> float:
        return round(self.seconds(), 3)

    def started(self, key: TrialKey) -> None:
        """Record the start of a trial."""
        self._add(TrialLine(happened=Happened.STARTED, seconds=self._now, key=key))

    def troubled(self, key: TrialKey, error: TrialTrouble) -> None:
        """Record trouble of a trial."""
        line = TrialLine(happened=Happened.TROUBLED, seconds=self._now, key=key)
        self._add(replace(line, trouble=error.trouble, ends_evaluation=error.ends_evaluation))

    def completed(self, result: TrialResult, progress: Progress | None = None) -> None:
        """Record the result of a trial."""
        line = TrialLine(happened=Happened.COMPLETED, seconds=self._now, result=result)
        self._add(replace(line, progress=progress))

    def earlier(self) -> EarlierTrials:
        """Return the trials that were played before; record those that were in flight as cut."""
        results = {result.key: result for result in self.sent.results}
        troubles = {trial.key: trial.troubles for trial in self.sent.troubles}
        in_flight = dict[TrialKey, None]()
        for line in self._lines:
            if line.key:
                in_flight.pop(line.key, None)
                if line.happened is Happened.STARTED:
                    in_flight[line.key] = None
                if line.trouble and not line.ends_evaluation:
                    troubles[line.key] = (*troubles.get(line.key, ()), line.trouble)
            elif line.result:
                in_flight.pop(line.result.key, None)
                results[line.result.key] = line.result
        for key in in_flight:
            results[key] = cut_trial(key, CRASHED, self.settings.trials.seed)
            self.completed(results[key])
        return EarlierTrials(results, troubles)

    @asynccontextmanager
    async def keep_setup(
        self, copies: Path, set_up: "SetUp"
    ) -> AsyncGenerator[tuple[Path, SetupResult]]:
        """Yield what the setup of the suite left; each process executes it until it has failed.

        As where a run is evaluated, the process may die in it only `infra_retries` times.
        """
        starts, done = 0, self.sent.setup
        for line in self._lines:
            starts += line.happened is Happened.SETUP_STARTED
            if line.setup:
                starts, done = 0, line.setup
        with borrowed_folder(copies) as kept:
            if done is None or not done.failure:
                done = await self._set_up(kept, set_up, starts)
            yield kept, done

    async def _set_up(self, kept: Path, set_up: "SetUp", starts: int) -> SetupResult:
        """Execute the setup, which was started before without an end, and record its result."""
        if starts > self.settings.trials.infra_retries:
            failure = "its process died, and infra_retries allows no further start"
            done = SetupResult(failure=failure, starts=starts)
        else:
            began = TrialLine(happened=Happened.SETUP_STARTED, seconds=self._now)
            done = await set_up(kept, lambda: self._add(began))
            done = replace(done, starts=starts + 1)
        self._add(TrialLine(happened=Happened.SETUP_COMPLETED, seconds=self._now, setup=done))
        return done

    def _add(self, line: TrialLine) -> None:
        self._lines.append(line)
        with self.file.open("ab") as file:
            file.write(canonical_json(write_record(line)).encode() + b"\n")
        results = {line.result.key: line.result for line in self._lines if line.result}
        used = sum((result.usage for result in results.values()), NOTHING_USED)
        self.keep(used, line.result is not None and line.result.no_result is None)
