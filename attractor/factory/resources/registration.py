"""Registers a suite after checks that it can judge, statically and by trials on known trees.

Rubrics are not judged here, so scenarios with a rubric are played on reference patches only,
without their rubrics.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UnknownName
from attractor.factory.evaluation.candidate_run import FactoryStores
from attractor.factory.operator_process import refuse_in_run
from attractor.factory.register import register_of
from attractor.factory.resources.committed_suites import (
    CommittedLock,
    find_suite_folder,
    read_committed_lock,
    why_not_committed,
)
from attractor.factory.resources.effective import policy_of_profile
from attractor.factory.resources.known_trees import (
    Change,
    KnownTrees,
    apply_patch,
    empty_files,
    keep,
    known_trees,
)
from attractor.factory.resources.suites import NO_PROOF, Proof, Registration
from attractor.factory.resources.versions import ResourceKind, split_reference
from attractor.language.source.text import quote
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.plan.run_plan import Policy
from attractor.pipeline.source.files import SHIPPED, list_pipeline_files
from attractor.pipeline.workspace.create import HEAD
from attractor.records.request import RunRequest
from attractor.scenarios.carried_paths import carry_hints, read_carried
from attractor.scenarios.check import require_judgeable
from attractor.scenarios.evaluation import TrialResult
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.scenarios.suite import Scenario, Suite
from attractor.scenarios.suite_files import LOCK_FILE
from attractor.scenarios.suite_lint import (
    RUBRIC,
    SuiteFault,
    SuiteRefused,
    has_rubric,
    lint_suite,
    verifier_hints,
)
from attractor.scenarios.suite_reader import read_suite
from attractor.workspaces.errors import NotARepository
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.result_tree import excluded_in

REFERENCE = "reference"
_PATCH = ".patch"
_GRAPH = re.compile(r'\bdigraph\b\s*("?)(?P<name>[^"{}]*?)\1\s*{')


async def lint(
    folder: Path, host: RunHost, stores: FactoryStores
) -> tuple[Suite, list[SuiteFault]]:
    """Read a suite, and return it with the faults and hints that static checks find."""
    suite = read_suite(folder)
    carrying = host.preparation
    # Otherwise the profile is not registered yet.
    with suppress(UnknownName):
        profile = stores.profile(stores.pin_profile(host.profile))
        carrying = Policy(carry=profile.sandbox.carry).within(host).preparation
    faults = [*lint_suite(suite), *verifier_hints(suite, folder)]
    faults += carry_hints(suite, carrying, host.project)
    faults += _unknown_pipelines(suite, host, stores)
    faults += await _visible_folder(folder, host)
    return suite, faults


async def register_suite(
    folder: Path, host: RunHost, stores: FactoryStores, *, sandbox: str, by: str | None
) -> Registration:
    """Register a suite as a sealed version; refuse a suite that could not judge.

    Without a person `by`, refuse also files that the lock in the last commit does not name.
    """
    _, found = await lint(folder, host, stores)
    if faults := [one for one in found if not one.is_hint]:
        raise SuiteRefused(faults)
    for hint in found:
        host.tell(f"hint: {hint}")
    sealed, proof = stores.suites.seal(folder), NO_PROOF
    committed = await read_committed_lock(folder, host, sealed)
    if by is None:
        committed = await _require_committed(folder, host, sealed, committed)
    if not stores.suites.is_registered(sealed):
        unrated = tuple(_unrated(scenario) for scenario in sealed.suite.scenarios)
        played = sealed.suite.model_copy(update={"scenarios": unrated})
        await require_judgeable(played, host.environ)
        profile = stores.profile(stores.pin_profile(host.profile))
        allowed = policy_of_profile(profile, host).within(host)
        wanted, project = allowed.preparation, host.project
        carried = await in_thread(partial(read_carried, sealed.suite, wanted, project))
        base = _base_of(committed, host)
        async with known_trees(allowed, sandbox=sandbox, commit=base or HEAD) as trees:
            checks = _Checks(sealed, trees)
            faults = await checks.baselines() if base else []
            faults += [*await checks.discrimination(), *await checks.references()]
            proved_on = trees.commit if base else ""
        if faults:
            raise SuiteRefused(faults)
        has_changed = await in_thread(carried.have_changed)
        proof = Proof("" if has_changed else carried.content, proved_on)
    by_lock = committed.commit if committed and by is None else ""
    keeps_lock = committed and (by_lock or committed.lock.proved_on)
    return stores.suites.add(
        sealed,
        folder,
        by=by or f"lock of {by_lock}",
        now=host.clock.now(),
        proof=replace(proof, lock=by_lock),
        lock=committed.lock if committed and keeps_lock else None,
    )


def _base_of(committed: CommittedLock | None, host: RunHost) -> str:
    """Return the commit on which baselines are proved, or "" and say that the history lacks it."""
    if committed is None:
        return HEAD
    if committed.is_in_history:
        return committed.base
    host.tell(
        f"The history lacks commit {committed.base[:12]}, on which the lock of the suite says that "
        "baselines were proved: they are not played here. To play them, fetch the history before: "
        "git fetch --unshallow"
    )
    return ""


async def register_by_lock(name: str, request: RunRequest, host: RunHost) -> None:
    """Register the suite of a new run by its lock in the last commit, and say so.

    Refuse in a process of a run, and if the profile demands a person.
    """
    refuse_in_run(f"registering suite {name}", host.environ)
    stores, found = register_of(host).stores, find_suite_folder(name, host.project)
    if found is None:
        raise UnknownName(ResourceKind.SUITE, name, ())
    stores.require_registrar(None, stores.pin_profile(request.profile or host.profile))
    registered = await register_suite(found.path, host, stores, sandbox=request.sandbox, by=None)
    version = registered.version
    host.tell(f"Registered {version} by its {version.by}.")


async def _require_committed(
    folder: Path, host: RunHost, sealed: SealedSuite, committed: CommittedLock | None
) -> CommittedLock:
    why = await why_not_committed(folder, host, sealed) if committed else _NO_LOCK
    if committed is None or why:
        name = sealed.suite.settings.name
        raise Refused(
            f"suite {name} is not registered here, and not by its lock: {why}",
            hint=f"read it, then: attractor suite register {folder}",
        )
    return committed


_NO_LOCK = f"the last commit has no {LOCK_FILE} of its files"


def _unknown_pipelines(suite: Suite, host: RunHost, stores: FactoryStores) -> Iterator[SuiteFault]:
    drawn, versions = {*drawn_pipelines(host), *SHIPPED}, stores.pipelines.versions
    for name in () if suite.settings.judges_all else suite.settings.pipeline:
        plain, number = split_reference(name)
        registered = [str(version.number) for version in versions.versions(plain)]
        if number and number not in registered:
            yield SuiteFault(
                "unknown_pipeline",
                f"the pipeline {plain!r} has no version {number}",
                "name another version in suite.toml, or: attractor pipeline register FILE; "
                f"registered: {', '.join(registered) or 'none'}",
            )
        elif not registered and plain not in drawn:
            yield SuiteFault(
                "unknown_pipeline",
                f"no pipeline of the project has the name {name!r}",
                f"correct `pipeline` in suite.toml; drawn or shipped: {', '.join(sorted(drawn))}",
            )


async def _visible_folder(folder: Path, host: RunHost) -> list[SuiteFault]:
    """Return a fault if the workspaces of the project's runs contain the folder of a suite."""
    prefix, top = "", host.project.resolve()
    with suppress(NotARepository):
        prefix = (await open_repository(top, search_path=host.search_path)).prefix
        top = top.parents[prefix.count("/") - 1] if prefix else top
    suite = folder.resolve()
    if not suite.is_relative_to(top):
        return []
    path = os.fsencode(suite.relative_to(top) / "suite.toml")
    if IgnoreRules({}, excluded_in(prefix)).ignores_file(path):
        return []
    remedy = f"move it below {host.project / 'scenarios'}, or out of {top}"
    return [SuiteFault("visible_to_agents", f"workspaces contain the suite in {folder}", remedy)]


def drawn_pipelines(host: RunHost) -> set[str]:
    """Return the names of the pipelines in the .dot files of a project, without those of runs."""
    names: set[str] = set()
    for file in list_pipeline_files(host.project, host.runs_dir):
        # A broken link draws no pipeline.
        with suppress(OSError):
            text = (host.project / file).read_text("utf-8", "replace")
            names |= {match["name"] or Path(file).stem for match in _GRAPH.finditer(text)}
    return names


@dataclass(frozen=True)
class _Checks:
    """Plays trials of a suite on trees whose results are known."""

    sealed: SealedSuite
    trees: KnownTrees

    async def baselines(self) -> list[SuiteFault]:
        """Return the scenarios whose declared baseline differs from the result on the base tree."""
        declared = [one for one in self._without_rubric() if one.baseline != "any"]
        results = await self._play(declared, "base tree")
        return [
            SuiteFault(
                "baseline",
                f"{one.id} declares baseline = {quote(one.baseline)}, and on {self._where} it "
                f"{'passed' if result.satisfied else f'failed: {_reasons(result)}'}",
                "correct the scenario, or its baseline",
                one.id,
            )
            for one, result in zip(declared, results, strict=True)
            if result.satisfied != (one.baseline == "pass")
        ]

    async def discrimination(self) -> list[SuiteFault]:
        """Return the holdouts that a program passes that does nothing."""
        holdouts = [one for one in self._without_rubric() if one.split == "holdout"]
        results = await self._play(holdouts, "do-nothing program", change=empty_files)
        return [
            SuiteFault(
                "not_discriminating",
                f"a program that does nothing (all files empty) passes {one.id}",
                "add a check that only a working program passes",
                one.id,
            )
            for one, result in zip(holdouts, results, strict=True)
            if result.satisfied
        ]

    async def references(self) -> list[SuiteFault]:
        """Return the scenarios that a reference patch does not pass in all trials."""
        faults: list[SuiteFault] = []
        n = self.sealed.suite.settings.trials.n
        for patch in sorted((self.sealed.folder / REFERENCE).glob(f"*{_PATCH}")):
            name = patch.name.removesuffix(_PATCH)
            scenarios = [_unrated(one) for one in self.sealed.suite.scenarios if one.id == name]
            change = partial(apply_patch, patch, self.trees.host.search_path)
            results = await self._play(scenarios, f"reference {name}", n=n, change=change)
            if failed := [result for result in results if not result.satisfied]:
                words = f"{patch.name} passes {n - len(failed)} of {n} trials of {name}"
                reasons = _reasons(failed[0])
                remedy = "correct the patch, or the scenario"
                faults.append(SuiteFault("reference", f"{words}: {reasons}", remedy, name))
        return faults

    @property
    def _where(self) -> str:
        return f"commit {self.trees.commit[:12]}" if self.trees.commit else "the current files"

    def _without_rubric(self) -> list[Scenario]:
        return [one for one in self.sealed.suite.scenarios if not has_rubric(one)]

    async def _play(
        self,
        scenarios: Sequence[Scenario],
        what: str,
        *,
        n: int = 1,
        change: Change = keep,
    ) -> list[TrialResult]:
        played = [scenario for scenario in scenarios if scenario.checks]
        if not played:
            return []
        return await self.trees.play(self.sealed, played, what, n=n, change=change)


def _unrated(scenario: Scenario) -> Scenario:
    """Return a scenario without its rubrics."""
    checks = tuple(check for check in scenario.checks if check.kind != RUBRIC)
    return scenario.model_copy(update={"checks": checks})


def _reasons(result: TrialResult) -> str:
    reasons = [result.error] if result.error else []
    reasons += [f"{check.kind}: {check.reason}" for check in result.checks if not check.passed]
    return "; ".join(reasons)
