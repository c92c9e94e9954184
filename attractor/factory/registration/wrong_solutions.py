"""Plays wrong solutions, and references without one of their changes: does the suite notice them?

A suite that never noticed a wrong solution proves little. People write wrong solutions; the
changes to leave out are those of the reference patches. Rubrics are not judged.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from attractor import __version__
from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.engine.truncation import one_line
from attractor.factory.evaluation.known_trees import KnownTrees, PlayOnce, apply_patch
from attractor.factory.registration.proof import first_reason_of, unrated
from attractor.factory.resources.suite_figures import SuiteFigures
from attractor.scenarios.candidate_tree import read_tree
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.evaluation import TrialResult
from attractor.scenarios.patches import PatchChange, changes_of
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.scenarios.suite import Scenario, WrongSolution
from attractor.scenarios.suite_files import PATCH_END, WRONG, read_suite_file
from attractor.scenarios.suite_lint import SuiteFault, has_rubric
from attractor.scenarios.suite_reader import references_of
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.repository import Git

MOST_LEFT_OUT = 20
"""The maximum number of changes that are left out, one at a time."""

_READ_WITHIN = timedelta(minutes=1)
_LONGEST_FAULT = 200
_HINT = "dead code, a matter of another scenario, or a missing check"

R = TypeVar("R")


class WrongOutcome(StrEnum):
    """The outcomes of a wrong solution."""

    NOTICED = "noticed"
    ELSEWHERE = "noticed elsewhere"
    """Only holdouts failed that `noticed_by` does not name."""
    ESCAPED = "escaped"
    """It passes all holdouts: the suite is refused."""
    UNUSABLE = "could not run"
    """Its patch does not apply, or changes nothing: the suite is refused."""
    SILENT = "says nothing"
    """Each holdout fails that the base fails, as with a program that does not start."""


@dataclass(frozen=True)
class WrongResult:
    """The outcome of a wrong solution: the scenario that noticed it, and why.

    Of one that `breaks` a requirement, `passed` are the holdouts that prove it and did not notice.
    """

    id: str
    outcome: WrongOutcome
    scenario: str = ""
    reason: str = ""
    breaks: str = ""
    passed: tuple[str, ...] = ()

    def to_record(self) -> JsonObject:
        """Return the JSON record of the outcome."""
        record: JsonObject = {
            "id": self.id,
            "outcome": self.outcome.value,
            "scenario": self.scenario,
            "reason": self.reason,
        }
        return (
            {**record, "breaks": self.breaks, "passed": [*self.passed]} if self.breaks else record
        )

    def __str__(self) -> str:
        by = f" by {self.scenario}" if self.scenario else ""
        return f"{self.id}: {self.outcome}{by}{': ' * bool(self.reason)}{self.reason}"

    @property
    def says_something(self) -> bool:
        """Whether it was played, and is no program that does not start."""
        return self.outcome not in (WrongOutcome.UNUSABLE, WrongOutcome.SILENT)

    @property
    def warning(self) -> str:
        """The warning about a wrong solution that proves less than its author thinks, or ""."""
        if self.outcome is WrongOutcome.ELSEWHERE:
            return f"wrong solution {self.id}: no holdout in its noticed_by noticed it"
        if self.outcome is WrongOutcome.SILENT:
            failed = "each holdout that the commit fails, fails with it too"
            return f"wrong solution {self.id} says nothing and is not counted: {failed}"
        return ""

    @property
    def fault(self) -> SuiteFault | None:
        """The fault of a suite that did not notice the wrong solution, or could not play it."""
        patch = f"{WRONG}/{self.id}{PATCH_END}"
        if self.outcome is WrongOutcome.ESCAPED:
            words = f"the wrong solution {self.id} passes all holdouts"
            return SuiteFault("unnoticed", words, f"add a check that {patch} does not pass")
        if self.outcome is WrongOutcome.UNUSABLE:
            return SuiteFault("unusable_patch", f"{patch}: {self.reason}", "correct the patch")
        return None


@dataclass(frozen=True)
class LeftOut:
    """A change of the reference of a scenario; `reason` tells why the scenario failed without it.

    Without a reason, the scenario passes. `fault` tells why the scenario could not be played: the
    commit may contain the reference. Such a change is not counted.
    """

    scenario: str
    change: PatchChange
    reason: str = ""
    fault: str = ""

    def __str__(self) -> str:
        if self.fault:
            return f"{self.scenario} without {self.change} is not counted: {self.fault}"
        if self.reason:
            return f"{self.scenario} without {self.change}: noticed: {self.reason}"
        return f"{self.scenario} passes without a change of its reference: {self.change} ({_HINT})"


@dataclass(frozen=True)
class SuiteMeasurement:
    """The outcomes of all wrong solutions, and of the changes that were left out."""

    wrong: Sequence[WrongResult] = ()
    left_out: Sequence[LeftOut] = ()

    @property
    def faults(self) -> list[SuiteFault]:
        """The reasons to refuse the suite."""
        return [fault for one in self.wrong if (fault := one.fault)] + self.false_proofs()

    def false_proofs(self) -> list[SuiteFault]:
        """Return the faults of holdouts that no solution fails that breaks what they prove."""
        passed: dict[tuple[str, str], int] = Counter()
        played = Counter(one.breaks for one in self.wrong if one.says_something)
        for one in self.wrong:
            passed.update((one.breaks, scenario) for scenario in one.passed)
        return [
            SuiteFault(
                "proves_nothing",
                f"{scenario} names the requirement {id_}, and passes with each of "
                f"{number_of(count, 'wrong solution')} without it",
                "add a check of what the sentence says, or remove it from `proves`",
                scenario,
            )
            for (id_, scenario), count in passed.items()
            if count == played[id_]
        ]

    def warnings(self) -> list[str]:
        """Return the warnings about wrong solutions and changes."""
        warned = [one.warning for one in self.wrong if one.warning]
        return [*warned, *(str(one) for one in self.left_out if not one.reason)]

    def lines(self) -> list[str]:
        """Return a line for each wrong solution, and for each change that was noticed."""
        noticed = [str(one) for one in self.left_out if one.reason]
        return [*(f"wrong solution {one}" for one in self.wrong), *noticed]

    def figures(self, sealed: SealedSuite, *, project: str, commit: str) -> SuiteFigures:
        """Return the counts, without names."""
        outcomes = [one.outcome for one in self.wrong]
        silent, elsewhere = (
            outcomes.count(WrongOutcome.SILENT),
            outcomes.count(WrongOutcome.ELSEWHERE),
        )
        return SuiteFigures(
            project=project,
            seal=sealed.seal,
            attractor=__version__,
            commit=commit,
            wrong=len(outcomes) - silent,
            noticed=outcomes.count(WrongOutcome.NOTICED) + elsewhere,
            elsewhere=elsewhere,
            silent=silent,
            changes=sum(not one.fault for one in self.left_out),
            changes_noticed=sum(bool(one.reason) for one in self.left_out),
        )


def all_left_out(sealed: SealedSuite) -> list[LeftOut]:
    """Return the changes of the references of holdouts.

    A reference with one change has none: without it, the tree is the base.
    """
    references = references_of(sealed.folder)
    found: list[LeftOut] = []
    for one in sealed.suite.of_split("holdout"):
        # The commit may contain the reference of a scenario that it passes.
        if one.id in references and one.baseline != "pass" and unrated(one).checks:
            changes = changes_of(read_suite_file(references[one.id]))
            found += [LeftOut(one.id, change) for change in changes if len(changes) > 1]
    return found


def has_wrong_solutions(sealed: SealedSuite) -> bool:
    """Return whether a suite has wrong solutions, or changes of references to leave out."""
    return bool(sealed.suite.settings.wrong or all_left_out(sealed))


@dataclass(frozen=True)
class WrongSolutions:
    """Plays the wrong solutions of a suite on a commit, as many trees at once as trials."""

    sealed: SealedSuite
    trees: KnownTrees

    async def measure(self) -> SuiteMeasurement:
        """Play all wrong solutions, and the references without one of their changes."""
        changes = self._chosen()
        wrong = self.sealed.suite.settings.wrong
        jobs: list[Callable[[], Awaitable[WrongResult | LeftOut]]] = [
            *(partial(self._play_wrong, one) for one in wrong),
            *(partial(self._play_left_out, one) for one in changes),
        ]
        played = await play_all(jobs, "wrong solutions", self.sealed, self.trees)
        return SuiteMeasurement(
            [one for one in played if isinstance(one, WrongResult)],
            [one for one in played if isinstance(one, LeftOut)],
        )

    async def play(self, wrong: Iterable[WrongSolution]) -> list[WrongResult]:
        """Play some wrong solutions."""
        jobs = [partial(self._play_wrong, one) for one in wrong]
        return await play_all(jobs, "wrong solutions", self.sealed, self.trees)

    def _chosen(self) -> list[LeftOut]:
        """Return the changes to leave out; of many, the seed of the suite chooses."""
        found = all_left_out(self.sealed)
        if len(found) <= MOST_LEFT_OUT:
            return found
        self.trees.scope.project.console.tell(
            f"{MOST_LEFT_OUT} of {len(found)} changes of references are left out, chosen by the "
            "seed of the suite"
        )
        chosen = random.Random(self.sealed.suite.settings.trials.seed)
        return [found[at] for at in sorted(chosen.sample(range(len(found)), MOST_LEFT_OUT))]

    @cached_property
    def _holdouts(self) -> dict[str, Scenario]:
        found = [(one.id, unrated(one)) for one in self.sealed.suite.of_split("holdout")]
        return {id_: one for id_, one in found if one.checks}

    @cached_property
    def _failed_by_base(self) -> list[Scenario]:
        """The holdouts with the baseline "fail"; baselines of rubrics are not proved."""
        rated = {one.id for one in self.sealed.suite.scenarios if has_rubric(one)}
        return [
            one for one in self._holdouts.values() if one.baseline == "fail" and one.id not in rated
        ]

    async def _play_wrong(self, wrong: WrongSolution) -> WrongResult:
        references = references_of(self.sealed.folder)
        on = next(iter(references)) if wrong.on is None else wrong.on
        patch = read_suite_file(self.sealed.folder / WRONG / f"{wrong.id}{PATCH_END}")
        change = _Patched(patch, self._search_path, references[on] if on else None)
        try:
            async with self.trees.play_one_by_one(self.sealed, change) as play:
                return await self._notice(wrong, play)
        except InvalidSuite:
            if not change.fault:
                raise
            return WrongResult(wrong.id, WrongOutcome.UNUSABLE, reason=change.fault)

    @property
    def _search_path(self) -> str:
        return self.trees.scope.project.machine.search_path

    async def _notice(self, wrong: WrongSolution, play: PlayOnce) -> WrongResult:
        """Play holdouts on a wrong solution: the named ones first, up to the first that fails."""
        named = [self._holdouts[id_] for id_ in wrong.noticed_by if id_ in self._holdouts]
        others = [one for one in self._holdouts.values() if one not in named]
        failed: TrialResult | None = None
        played: dict[str, bool] = {}
        for one in (*named, *others):
            if failed and not (wrong.breaks and one in named):
                break
            result = await play(one)
            played[one.id] = result.satisfied
            failed = failed or (None if result.satisfied else result)
        passed = tuple(one.id for one in named if wrong.breaks and played[one.id])
        if failed is None:
            return WrongResult(wrong.id, WrongOutcome.ESCAPED, breaks=wrong.breaks, passed=passed)
        is_named = failed.key.scenario in wrong.noticed_by
        outcome = WrongOutcome.NOTICED if is_named else WrongOutcome.ELSEWHERE
        # A patch that breaks what the commit passes says something, whatever else fails.
        is_broken = self._holdouts[failed.key.scenario].baseline == "pass"
        has_several = len(self._failed_by_base) > 1
        if not is_broken and has_several and await self._fails_all(played, play):
            outcome = WrongOutcome.SILENT
        reason = first_reason_of(failed)
        return WrongResult(
            wrong.id, outcome, failed.key.scenario, reason, breaks=wrong.breaks, passed=passed
        )

    async def _fails_all(self, played: dict[str, bool], play: PlayOnce) -> bool:
        """Return whether each holdout fails that the base fails."""
        known = [played[one.id] for one in self._failed_by_base if one.id in played]
        if any(known):
            return False
        for one in self._failed_by_base:
            if one.id not in played and (await play(one)).satisfied:
                return False
        return True

    async def _play_left_out(self, left: LeftOut) -> LeftOut:
        """Play a scenario on its reference without a change."""
        change = _Patched(left.change.left_out, self._search_path)
        try:
            async with self.trees.play_one_by_one(self.sealed, change) as play:
                result = await play(self._holdouts[left.scenario])
        except InvalidSuite:
            if not change.fault:
                raise
            return replace(left, fault=one_line(change.fault, _LONGEST_FAULT))
        return replace(left, reason="" if result.satisfied else first_reason_of(result))


async def play_all(
    jobs: Sequence[Callable[[], Awaitable[R]]],
    what: str,
    sealed: SealedSuite,
    trees: KnownTrees,
    *,
    least: int = 1,
) -> list[R]:
    """Return the results of all jobs, in order; after an error, the others end first.

    `least` of them work at once, or more if the suite says so.
    """
    limit = asyncio.Semaphore(trees.trials_at_once(sealed, least=least))
    progress, done = trees.scope.project.console.progress, 0

    async def run(job: Callable[[], Awaitable[R]]) -> R:
        nonlocal done
        async with limit:
            result = await job()
        done += 1
        progress(f"{what}: {done} of {number_of(len(jobs), 'tree')}")
        return result

    tasks = [asyncio.create_task(run(job)) for job in jobs]
    try:
        return [*await asyncio.gather(*tasks)]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class _Patched:
    """Changes a tree by the reference `on`, if any, and a patch; `fault` is why it could not."""

    patch: bytes
    search_path: str
    on: Path | None = None
    fault: str = ""

    async def __call__(self, folder: Path) -> None:
        if self.on:
            await apply_patch(self.on, self.search_path, folder)
        read = partial(read_tree, folder, within=_READ_WITHIN)
        before = await in_thread(read)
        git = Git(folder / ".git", self.search_path, work_tree=folder)
        # Not from a file: no folder that a sandbox may show gets a wrong solution.
        done = await git.answer("apply", "-", stdin=self.patch)
        if done.exit_code:
            self.fault = f"it does not apply: {done.stderr.strip()}"
        elif await in_thread(read) == before:
            self.fault = "it changes nothing"
        if self.fault:
            raise InvalidSuite(self.fault)
