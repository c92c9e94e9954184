"""Proves a suite by trials on trees whose results are known.

Rubrics are not judged here, so scenarios with a rubric are played on reference patches only,
without their rubrics. `wrong_solutions` plays them without rubrics, too.
"""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import field
from functools import partial
from pathlib import Path, PurePosixPath

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.environments.missing_program import lacks_file
from attractor.factory.evaluation.known_trees import (
    Change,
    KnownTrees,
    PlayedTree,
    apply_patch,
    empty_files,
    keep,
)
from attractor.language.source.text import quote
from attractor.scenarios.evaluation import TrialResult
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.scenarios.suite import CommandStep, Scenario, ServiceStep
from attractor.scenarios.suite_files import PATCH_END, PATCHES
from attractor.scenarios.suite_lint import RUBRIC, SuiteFault, has_rubric
from attractor.scenarios.suite_reader import WHOLE, references_of
from attractor.scenarios.verifier import hanging_probe
from attractor.scenarios.wall.crossing import Crossed, Crossing, merged
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.repository import run_git_as_owner

_CHECKED = (0, 1)
"""The exit statuses of `git check-ignore` with and without an ignored path."""
_NO_PROGRAM = "a scenario failed on the base only because a program is missing"
_NO_SETUP = "the setup of the suite failed on the base"


@dataclass(frozen=True)
class ProofResult:
    """The faults of a suite, and what its trials did not prove.

    The keys of `gaps` contain no words of a scenario, the values contain the details. `crossing` is
    what crossed the walls where the suite was satisfied.
    """

    faults: list[SuiteFault] = field(default_factory=list[SuiteFault])
    gaps: dict[str, str] = field(default_factory=dict[str, str])
    crossing: Crossing = field(default_factory=dict[str, Crossed])

    def proves_little(self) -> Iterator[str]:
        """Yield a warning about each test that compares only objects of the candidate."""
        for name, crossed in self.crossing.items():
            for test, one in crossed.items():
                if one.classes and not one.data:
                    yield (
                        f"{name}: {test} proves little: the candidate says whether its objects are "
                        "equal (compare their attributes)"
                    )


@dataclass(frozen=True)
class SuiteProof:
    """Plays trials of a suite on trees whose results are known."""

    sealed: SealedSuite
    trees: KnownTrees
    crossing: dict[str, Crossed] = field(default_factory=dict[str, Crossed])
    hanging: dict[str, str] = field(default_factory=dict[str, str])

    async def play(self, *, has_base: bool) -> ProofResult:
        """Play all trials; without a base, no baselines."""
        base = await self._baselines() if has_base else ProofResult()
        faults = [*base.faults, *await self._discrimination(), *await self._references()]
        faults += self._hanging_probes()
        faults += [] if faults else self._unreferenced()
        return ProofResult(faults, base.gaps, self.crossing)

    def _unreferenced(self) -> Iterator[SuiteFault]:
        """Yield the holdouts behind a wall that no known tree passes."""
        for one in self.sealed.suite.of_split("holdout"):
            if one.wall and one.id not in self.crossing:
                yield SuiteFault(
                    "wall_reference",
                    f"no reference passes {one.id}: what may cross its wall is not known",
                    f"add {PATCHES}/{one.id}{PATCH_END}",
                    one.id,
                )

    def _hanging_probes(self) -> Iterator[SuiteFault]:
        """Yield the probes that hang on a known tree; later, that is the candidate's fault."""
        for name, program in self.hanging.items():
            yield SuiteFault(
                "hanging_probe",
                f"{name}: the probe {program} exceeded its time limit",
                "give its requests a time limit below its own, or raise `timeout`",
                name,
            )

    async def _baselines(self) -> ProofResult:
        """Find the scenarios whose declared baseline differs from the result on the base tree."""
        declared = [one for one in self._without_rubric() if one.baseline != "any"]
        played, found = await self._play(declared, "base tree"), ProofResult()
        # Steps start at the top of the tree, also if the project is a folder of its repository.
        top = await self.trees.top()
        for one, result in zip(declared, played.results, strict=True):
            if result.satisfied != (one.baseline == "pass"):
                found.faults.append(self._wrong_baseline(one, result))
            elif result.satisfied or played.failed_setup:
                continue
            elif path := await self._ignored_program(one, result, top):
                found.faults.append(
                    SuiteFault(
                        "ignored_program",
                        f"{one.id} starts {path}, which Git ignores: trials get no such file, so "
                        "no result of a run could pass",
                        'build it once for all trials: [setup] run = ["COMMAND"] in suite.toml; '
                        "or in `setup.run` of the scenario",
                        one.id,
                    )
                )
            elif missing := result.missing_command:
                found.gaps[_NO_PROGRAM] = f"{one.id}: {missing}"
        if played.failed_setup:
            found.gaps[_NO_SETUP] = played.failed_setup
        return found

    def _wrong_baseline(self, scenario: Scenario, result: TrialResult) -> SuiteFault:
        commit = self.trees.commit
        where = f"commit {commit[:12]}" if commit else "the current files"
        return SuiteFault(
            "baseline",
            f"{scenario.id} declares baseline = {quote(scenario.baseline)}, and on {where} it "
            f"{'passed' if result.satisfied else f'failed: {reasons_of(result)}'}",
            "correct the scenario, or its baseline",
            scenario.id,
        )

    async def _ignored_program(self, scenario: Scenario, result: TrialResult, top: Path) -> str:
        """Return the path of a missing program that Git ignores and no setup builds, or ""."""
        if self.sealed.suite.settings.setup.run or scenario.setup.run:
            return ""
        said = "\n".join(line for step in result.stderr for line in step.lines)
        if not (result.missing_command or lacks_file(said)):
            return ""
        paths = [*_paths_of(scenario)]
        ignored = await _find_ignored(paths, top, self.trees.scope.project.machine.environ)
        return next((path for path in paths if path in ignored), "")

    async def _discrimination(self) -> list[SuiteFault]:
        """Return the holdouts that a program passes that does nothing."""
        holdouts = [one for one in self._without_rubric() if one.split == "holdout"]
        played = await self._play(holdouts, "do-nothing program", change=empty_files)
        return [
            SuiteFault(
                "not_discriminating",
                f"a program that does nothing (all files empty) passes {one.id}",
                "add a check that only a working program passes",
                one.id,
            )
            for one, result in zip(holdouts, played.results, strict=True)
            if result.satisfied
        ]

    async def _references(self) -> list[SuiteFault]:
        """Return the scenarios that a reference patch does not pass in all trials."""
        faults: list[SuiteFault] = []
        n = self.sealed.suite.settings.trials.n
        references = references_of(self.sealed.folder)
        for name, patch in references.items():
            scenarios = [
                unrated(one)
                for one in self.sealed.suite.scenarios
                if one.id == name or (name == WHOLE and one.id not in references)
            ]
            change = partial(apply_patch, patch, self.trees.scope.project.machine.search_path)
            what = "a reference" if self.trees.hides_words else f"reference {name}"
            played = await self._play(scenarios, what, n=n, change=change)
            for one in scenarios:
                results = [result for result in played.results if result.key.scenario == one.id]
                if failed := [result for result in results if not result.satisfied]:
                    words = f"{patch.name} passes {n - len(failed)} of {n} trials of {one.id}"
                    reasons = reasons_of(failed[0])
                    remedy = "correct the patch, or the scenario"
                    faults.append(SuiteFault("reference", f"{words}: {reasons}", remedy, one.id))
        return faults

    def _without_rubric(self) -> list[Scenario]:
        return [one for one in self.sealed.suite.scenarios if not has_rubric(one)]

    async def _play(
        self,
        scenarios: Sequence[Scenario],
        what: str,
        *,
        n: int = 1,
        change: Change = keep,
    ) -> PlayedTree:
        played = [scenario for scenario in scenarios if scenario.checks]
        # Without a trial on the base, its setup alone is executed.
        if not played and not (change is keep and self.sealed.suite.settings.setup.run):
            return PlayedTree([])
        done = await self.trees.play(self.sealed, played, what, n=n, change=change)
        for result in done.results:
            name = result.key.scenario
            if programs := [*filter(None, map(hanging_probe, result.checks))]:
                self.hanging[name] = programs[0]
            if result.satisfied and result.crossed:
                self.crossing[name] = merged([self.crossing.get(name, {}), result.crossed])
        return done


def unrated(scenario: Scenario) -> Scenario:
    """Return a scenario without its rubrics."""
    checks = tuple(check for check in scenario.checks if check.kind != RUBRIC)
    return scenario.model_copy(update={"checks": checks})


def _paths_of(scenario: Scenario) -> Iterator[str]:
    """Yield the words of steps as paths below the top of the tree."""
    for step in scenario.steps:
        if not isinstance(step, CommandStep | ServiceStep):
            continue
        line, cwd = (step.run, step.cwd) if isinstance(step, CommandStep) else (step.service, ".")
        # A line with an open quote fails for that reason.
        with suppress(ValueError):
            paths = (PurePosixPath(cwd) / word for word in shlex.split(line, comments=True))
            yield from (str(path) for path in paths if ".." not in path.parts and not path.root)


async def _find_ignored(paths: Sequence[str], top: Path, environ: Mapping[str, str]) -> Set[str]:
    """Return the paths that Git ignores, by all its ignore files."""
    result = await run_git_as_owner(
        *("check-ignore", "-z", "--stdin"),
        folder=top,
        environ=environ,
        stdin=b"\0".join(map(os.fsencode, paths)),
    )
    if result.exit_code in _CHECKED:
        return {*result.stdout.split("\0")}
    # Not a repository, or a path beyond a link.
    return {path for path in paths if _is_ignored(path, top)}


def _is_ignored(path: str, top: Path) -> bool:
    """Return whether the ignore files of a tree, from its top down, ignore a path."""
    texts: dict[bytes, bytes] = {}
    for folder in PurePosixPath(path).parents:
        with suppress(OSError):
            at = b"" if folder == PurePosixPath() else os.fsencode(f"{folder}/")
            texts[at] = (top / folder / ".gitignore").read_bytes()
    return IgnoreRules(texts).ignores_file(os.fsencode(path))


def reasons_of(result: TrialResult) -> str:
    """Return why a trial was not satisfied."""
    return "; ".join(_reasons(result))


def first_reason_of(result: TrialResult) -> str:
    """Return the first reason why a trial was not satisfied, and the number of others.

    If a step did not run, each check of a later step repeats why.
    """
    first, *others = _reasons(result)
    more = f" (and {number_of(len(others), 'other failure')})" if others else ""
    return f"{first}{more}"


def _reasons(result: TrialResult) -> list[str]:
    failed = [str(check) for check in result.checks if not check.passed]
    return [result.error, *failed] if result.error else failed
