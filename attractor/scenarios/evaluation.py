"""Plays every trial of a suite once, and goes on with the missing ones after a crash.

How often a scenario is played is fixed beforehand: no early stop on green, no second try for a red
trial. Only trouble of the machinery is tried again, a few times, and then counts against the
candidate. A trial that was in flight when the evaluation died counts as such trouble.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError
from attractor.scenarios.suite import Scenario
from attractor.scenarios.trial import TrialKey, TrialResult

PlayTrial = Callable[[Scenario, TrialKey], Awaitable[TrialResult]]


class TrialLog(Protocol):
    """Where an evaluation writes what happens, before it goes on."""

    def started(self, key: TrialKey) -> None:
        """Note that a trial begins."""
        ...

    def troubled(self, key: TrialKey, trouble: str) -> None:
        """Note that the machinery failed a trial."""
        ...

    def completed(self, result: TrialResult) -> None:
        """Note how a trial ended."""
        ...


@dataclass(frozen=True)
class Earlier:
    """What an evaluation that died had written: results, and how often each trial had begun."""

    results: Mapping[TrialKey, TrialResult] = field(default_factory=dict[TrialKey, TrialResult])
    begun: Counter[TrialKey] = field(default_factory=Counter[TrialKey])

    @property
    def has_begun(self) -> bool:
        """Whether any trial was begun."""
        return bool(self.results) or any(self.begun.values())


async def evaluate(
    scenarios: Sequence[Scenario],
    play_trial: PlayTrial,
    log: TrialLog,
    *,
    trials: int,
    infra_retries: int,
    earlier: Earlier | None = None,
) -> list[TrialResult]:
    """Return the result of every trial, each written to the log before the next begins."""
    before = earlier or Earlier()
    results: list[TrialResult] = []
    for scenario in scenarios:
        for number in range(1, trials + 1):
            key = TrialKey(scenario.id, number)
            result = before.results.get(key)
            if result is None:
                allowed = infra_retries + 1 - before.begun[key]
                result = await _played(scenario, key, play_trial, log, infra_retries, allowed)
                log.completed(result)
            results.append(result)
    return results


async def _played(
    scenario: Scenario,
    key: TrialKey,
    play_trial: PlayTrial,
    log: TrialLog,
    infra_retries: int,
    allowed: int,
) -> TrialResult:
    """Play one trial as often as the machinery's trouble allows."""
    trouble = "the evaluation died while it was played"
    for attempt in range(infra_retries + 1 - allowed, infra_retries + 1):
        log.started(key)
        try:
            return replace(await play_trial(scenario, key), retries=attempt)
        except (MachineryError, OSError) as error:
            trouble = str(error)
            log.troubled(key, trouble)
    return TrialResult(key, False, (), 0, retries=infra_retries, error=trouble)
