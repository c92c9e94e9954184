"""Races: attempts at one task from one commit, how they count together, and their ranking.

Of many attempts, one may pass all trials by luck. So the lower bound of an attempt is computed with
a confidence that counts all attempts with its suite from its tree (Bonferroni). This corrects the
luck of trials, not a search on these scenarios, which `max_attempts_per_version` limits.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from math import inf

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.base.names import find_named
from attractor.base.records import read_record, write_fields
from attractor.engine.state.run_state import StatusWord
from attractor.factory.ledger.ledger import Ledger, LedgerEntry, LineKind

LATEST = "latest"
GO = "go"
NOT_BEGUN = "not begun"


class Stop(StrEnum):
    """When a race ends: with its last attempt, or with the first one that has a go."""

    ALL = "all"
    FIRST_GO = "first_go"


@dataclass(frozen=True)
class RaceAttempt:
    """A run of a race, whose id exists before it begins, and who executes its stages.

    `model` and `provider` were asked for.
    """

    run_id: str
    backend: str
    model: str = ""
    provider: str = ""


@dataclass(frozen=True)
class Race:
    """A race, as the ledger records it before the first attempt.

    `pipeline`, `suite` and `profile` are pinned versions. `counted` are the attempts of all races
    with this suite from this tree so far, its own included. At most `at_once` attempts have a
    process. `request` is the record of what all attempts are asked for. Workers of `pool` execute
    the attempts (default: this machine). Races of earlier versions have no `tree`.
    """

    race_id: str
    project: str
    by: str
    pipeline: str
    suite: str
    profile: str
    commit: str
    attempts: Sequence[RaceAttempt]
    counted: int
    at_once: int
    request: JsonObject
    stop: Stop = Stop.ALL
    pool: str = ""
    tree: str = ""

    @property
    def suite_seal(self) -> str:
        """The hash of the suite."""
        return self.suite.rpartition("#")[2]

    @property
    def run_ids(self) -> Sequence[str]:
        """The ids of the attempts."""
        return [attempt.run_id for attempt in self.attempts]


@dataclass(frozen=True)
class AttemptResult:
    """The result of an attempt, as the ranking reads it and the ledger keeps it.

    Without a `verdict`, it was not judged: it failed, or was canceled. `cost_usd` is what the suite
    limits: the cost of the run and of its evaluation. `models` are those that requests named.
    With `is_cost_partial`, models of the run have no price.
    """

    run_id: str
    status: str
    tree: str = ""
    verdict: str = ""
    satisfied: int = 0
    played: int = 0
    bound: float = 0.0
    cost_usd: float = 0.0
    changed_lines: int = 0
    changed_files: int = 0
    models: Sequence[str] = ()
    is_cost_partial: bool = False

    @property
    def merit(self) -> tuple[bool, float, float, int, int]:
        """What ranks it; the best one is the smallest."""
        is_behind = self.verdict != GO
        cost = inf if self.is_cost_partial else self.cost_usd
        return is_behind, -self.bound, cost, self.changed_lines, self.changed_files


@dataclass(frozen=True)
class Candidate:
    """A tree that attempts made: equal trees are one candidate, with the best of their results."""

    tree: str
    run_ids: Sequence[str]
    best: AttemptResult


def rank(results: Iterable[AttemptResult]) -> list[Candidate]:
    """Return the judged candidates, best first: a go, the bound, the cost, the size of the change.

    The order of attempts, their names and their times decide nothing: their trees decide a tie.
    With `first_go`, time decides which attempts are judged at all.
    """
    by_tree: dict[str, list[AttemptResult]] = {}
    for result in results:
        if result.verdict:
            by_tree.setdefault(result.tree, []).append(result)
    candidates: list[Candidate] = []
    for tree, found in by_tree.items():
        ordered = sorted(found, key=lambda result: (result.merit, result.run_id))
        candidates.append(Candidate(tree, [result.run_id for result in ordered], ordered[0]))
    return sorted(candidates, key=lambda candidate: (candidate.best.merit, candidate.tree))


def winner_of(results: Iterable[AttemptResult]) -> Candidate | None:
    """Return the first candidate if its verdict is go."""
    first = next(iter(rank(results)), None)
    return first if first and first.best.verdict == GO else None


def is_won_early(race: Race, results: Iterable[AttemptResult]) -> bool:
    """Return whether an attempt has a go, in a race that ends with the first one."""
    return race.stop is Stop.FIRST_GO and winner_of(results) is not None


def is_time_decided(race: Race, results: Sequence[AttemptResult]) -> bool:
    """Return whether a first go ended a race before other attempts were judged."""
    cut = [result for result in results if not result.verdict and result.status in _CUT]
    return bool(cut) and is_won_early(race, results)


_CUT = (StatusWord.CANCELED, NOT_BEGUN)


def corrected_confidence(confidence: float, counted: int) -> float:
    """Return the confidence with which the bound of one of several attempts is computed."""
    return 1 - (1 - confidence) / counted


def count_attempts(races: Iterable[Race], suite_seal: str, commit: str, tree: str) -> int:
    """Return the number of attempts of all races with a suite from a commit, or from its tree."""
    return sum(
        len(race.attempts)
        for race in races
        if race.suite_seal == suite_seal and (race.commit == commit or race.tree == tree)
    )


def races_in(entries: Iterable[LedgerEntry]) -> list[Race]:
    """Return the races that lines of the ledger record, oldest first."""
    return [read_record(Race, entry.data) for entry in entries if entry.kind == LineKind.RACE_BEGUN]


def race_with(races: Iterable[Race], run_ids: Collection[str]) -> Race | None:
    """Return the race with one of these runs, of several the one that counts most, or None."""
    found = [race for race in races if not set(run_ids).isdisjoint(race.run_ids)]
    return max(found, key=lambda race: race.counted, default=None)


def find_race(ledger: Ledger, project: str, reference: str = LATEST) -> Race:
    """Return the race of a project with an id, a unique beginning of an id, or the latest one."""
    races = [race for race in races_in(ledger.entries()) if race.project == project]
    if not races:
        raise UsageError("no race in this project", hint="begin one: attractor race PIPELINE.dot")
    if reference == LATEST:
        return races[-1]
    return find_named("race", reference, races, lambda race: [race.race_id])


def results_of(ledger: Ledger, race_id: str) -> Sequence[AttemptResult] | None:
    """Return the recorded results of a race; None if it has not ended."""
    for entry in ledger.mentioning(race_id):
        if entry.kind == LineKind.RACE_ENDED and entry.data["race"] == race_id:
            return _results_in(entry)
    return None


@dataclass(frozen=True)
class ListedRace:
    """A race in a list: with the recorded results of its attempts, if it has ended."""

    race: Race
    began: datetime
    results: Sequence[AttemptResult] | None

    @property
    def winner(self) -> str:
        """The run of the winner, or ""."""
        winner = winner_of(self.results or ())
        return winner.run_ids[0] if winner else ""

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record, without what the attempts were asked for."""
        return {
            **write_fields(self.race, request=""),
            "began": self.began.isoformat(),
            "ended": self.results is not None,
            "winner": self.winner,
        }


def list_races(ledger: Ledger, project: str) -> list[ListedRace]:
    """Return the races of a project, newest first."""
    found: list[ListedRace] = []
    ended: dict[str, Sequence[AttemptResult]] = {}
    for entry in ledger.entries():
        if entry.kind == LineKind.RACE_ENDED:
            ended[str(entry.data["race"])] = _results_in(entry)
        elif entry.kind == LineKind.RACE_BEGUN and entry.data["project"] == project:
            found.append(ListedRace(read_record(Race, entry.data), entry.when, None))
    return [replace(listed, results=ended.get(listed.race.race_id)) for listed in reversed(found)]


def _results_in(entry: LedgerEntry) -> Sequence[AttemptResult]:
    results = entry.data["results"]
    assert isinstance(results, list)
    return [read_record(AttemptResult, result) for result in results if isinstance(result, dict)]


def end_record(race: Race, results: Sequence[AttemptResult], by: str) -> dict[str, Json]:
    """Return the data of the line about the end of a race: the ranking with its input.

    `by` is the person who gave up other attempts, or who began the race.
    """
    winner = winner_of(results)
    return {
        "race": race.race_id,
        "project": race.project,
        "by": by,
        "results": [write_fields(result) for result in results],
        "ranking": [candidate.tree for candidate in rank(results)],
        "winner": winner.run_ids[0] if winner else "",
        "time_decided": is_time_decided(race, results),
    }
