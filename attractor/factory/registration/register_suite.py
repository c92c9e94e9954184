"""Registers a suite after checks that it can judge, statically and by trials on known trees."""

import os
import re
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Never

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UnknownName
from attractor.base.json import JsonObject
from attractor.factory.evaluation.known_trees import KnownTrees, known_trees
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.operator_process import refuse_in_run
from attractor.factory.registration.cheating import Cheats, PlayedCheats, unknown_cheats
from attractor.factory.registration.committed_suites import (
    CommittedLock,
    find_suite_folder,
    read_committed_lock,
    why_not_committed,
)
from attractor.factory.registration.proof import ProofResult, SuiteProof, unrated
from attractor.factory.registration.rules import require_suite_for
from attractor.factory.registration.wrong_solutions import (
    SuiteMeasurement,
    WrongSolutions,
    has_wrong_solutions,
)
from attractor.factory.resources.effective import policy_of_profile
from attractor.factory.resources.suite_figures import SuiteFigures
from attractor.factory.resources.suites import Proof, Registration
from attractor.factory.resources.versions import (
    CHEATS,
    GAP,
    PROVED_ON,
    UNPROVED,
    ResourceKind,
    Version,
    split_reference,
)
from attractor.factory.specification import moved_sentences
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.files import SHIPPED, list_pipeline_files
from attractor.pipeline.workspace.create import HEAD
from attractor.records.request import RunRequest
from attractor.scenarios.carried_paths import (
    CarriedFiles,
    carry_hints,
    changed_since_registration,
    read_carried,
)
from attractor.scenarios.check import require_judgeable
from attractor.scenarios.errors import InvalidSuite, SuiteChanged
from attractor.scenarios.requirements import Sentence
from attractor.scenarios.sealed_suite import SealedSuite, seal_suite
from attractor.scenarios.suite import Suite
from attractor.scenarios.suite_files import LOCK_FILE
from attractor.scenarios.suite_lint import (
    SuiteFault,
    SuiteRefused,
    lint_suite,
    unguarded_hints,
    verifier_hints,
)
from attractor.scenarios.suite_reader import read_suite
from attractor.scenarios.wall.crossing import Crossed, Crossing
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.repository import find_prefix
from attractor.workspaces.preparation import Preparation
from attractor.workspaces.result_tree import excluded_in

_MOST_CHANGES = 40
_GRAPH = re.compile(r'\bdigraph\b\s*("?)(?P<name>[^"{}]*?)\1\s*{')


async def lint(folder: Path, opened: OpenProject) -> tuple[Suite, list[SuiteFault]]:
    """Read a suite, and return it with the faults and hints that static checks find."""
    suite, faults = await _lint(folder, opened)
    return suite, [*faults, *_carried_hints(suite, await _read_carried(suite, opened), opened)]


async def _lint(folder: Path, opened: OpenProject) -> tuple[Suite, list[SuiteFault]]:
    suite, project = read_suite(folder), opened.project
    faults = [*lint_suite(suite), *unguarded_hints(suite), *verifier_hints(suite, folder)]
    faults += carry_hints(suite, _preparation(opened), project.root)
    faults += _unknown_pipelines(suite, opened)
    faults += [*unknown_cheats(suite), *await _visible_folder(folder, project)]
    faults += [
        *await moved_sentences(suite.requirements, project),
        *_fewer_sentences(suite, opened),
    ]
    return suite, faults


def _carried_hints(
    suite: Suite, carried: CarriedFiles, opened: OpenProject
) -> Iterator[SuiteFault]:
    """Yield a hint if carried paths are not those of the registration of the latest version."""
    versions = opened.suites.versions.versions(suite.settings.name)
    if versions and (changes := opened.suites.carried_changes(versions[-1], carried)):
        words = changed_since_registration(changes, most=_MOST_CHANGES)
        remedy = "if they are as they should be, register the suite again"
        yield SuiteFault("carried_changed", words, remedy, is_hint=True)


def _fewer_sentences(suite: Suite, opened: OpenProject) -> Iterator[SuiteFault]:
    """Yield a hint if the latest version of a suite lists requirements that this one lacks."""
    versions = opened.suites.versions.versions(suite.settings.name)
    before: Mapping[str, Sentence] = {}
    # What is wrong with a sealed copy is told where it judges.
    with suppress(SuiteChanged):
        before = opened.suites.open(versions[-1]).suite.requirements.by_id if versions else {}
    if lost := sorted(before.keys() - suite.requirements.by_id.keys()):
        words = f"{versions[-1]} lists {number_of(len(lost), 'sentence')} more: {', '.join(lost)}"
        yield SuiteFault("fewer_sentences", words, "list them, unless they are gone", is_hint=True)


async def register_suite(
    folder: Path, opened: OpenProject, *, sandbox: str, by: str | None
) -> Registration:
    """Register a suite as a sealed version; refuse a suite that could not judge.

    Without a person `by`, refuse also files that the lock in the last commit does not name, and
    print no words of a scenario.
    """
    hints = await _require_sound(folder, opened)
    project, sealed = opened.project, opened.suites.seal(folder)
    carried = await _read_carried(sealed.suite, opened)
    for hint in (*hints, *_carried_hints(sealed.suite, carried, opened)) if by else ():
        project.console.tell(f"hint: {hint}")
    committed = await read_committed_lock(folder, project, sealed)
    same = committed if committed and committed.has_settings else None
    if by is None:
        committed = same = await _require_committed(folder, project, sealed, same)
    played = _Played()
    if trials := _wanted_trials(sealed, committed, carried, opened, is_by_person=by is not None):
        played = await trials.play(opened, carried, sandbox)
        if carried.content:
            opened.suites.keep_carried(carried)
        opened.suites.keep_crossing(sealed, played.crossing)
    proof, name = played.proof, sealed.suite.settings.name
    if by is None and opened.suites.versions.knows(name):
        # By a person or another run, since this run has looked.
        if known := opened.suites.current(sealed):
            return opened.suites.registration(known, sealed.suite, is_new=False)
        raise Refused(
            f"suite {name} was registered while its trials were played for its lock",
            hint="run again: the registered version judges",
        )
    by_lock = committed.commit if committed and by is None else ""
    keeps_lock = same and (by_lock or same.lock.proved_on)
    registered = opened.suites.add(
        sealed,
        folder,
        by=by or f"lock of {by_lock}",
        now=project.machine.clock.now(),
        proof=proof and replace(proof, lock=by_lock),
        cheats=played.cheats,
        lock=same.lock if same and keeps_lock else None,
    )
    if not played.figures:
        return replace(registered, figures=opened.figures(sealed.seal))
    record, now = played.figures.to_record(), project.machine.clock.now()
    opened.ledger.append(LineKind.SUITE_MEASURED, "", record, now=now)
    return replace(registered, figures=played.figures, measured=played.lines)


def _wanted_trials(
    sealed: SealedSuite,
    committed: CommittedLock | None,
    carried: CarriedFiles,
    opened: OpenProject,
    *,
    is_by_person: bool,
) -> "_Trials | None":
    """Return the trials that were not played yet, or None.

    Not for a lock: the person who cloned may not know the wrong solutions.
    """
    current = opened.suites.current(sealed)
    trials = _Trials(
        sealed,
        committed,
        current,
        proves=current is None or not _is_proved(current, carried, opened),
        measures=is_by_person and has_wrong_solutions(sealed) and not opened.figures(sealed.seal),
        tries=is_by_person and (current is None or CHEATS not in current.data),
        hides_words=not is_by_person,
    )
    return trials if trials.proves or trials.measures or trials.tries else None


def scope_of(opened: OpenProject) -> RunScope:
    """Return the scope in which known trees are played, with the additions of the profile."""
    profile = opened.profile(opened.pin_profile(opened.project.profile))
    return policy_of_profile(profile, opened.project).scope_in(opened.project)


async def _read_carried(suite: Suite, opened: OpenProject) -> CarriedFiles:
    """Read the carried files that the trials of a registration get."""
    wanted = _preparation(opened)
    return await in_thread(partial(read_carried, suite, wanted, opened.project.root))


def _preparation(opened: OpenProject) -> Preparation:
    """Return the preparation of workspaces, with the paths of the profile if it is registered."""
    with suppress(UnknownName):
        return scope_of(opened).preparation
    return opened.project.preparation


async def _require_sound(folder: Path, opened: OpenProject) -> Sequence[SuiteFault]:
    """Refuse a suite with faults that static checks find, and return the hints."""
    _, found = await _lint(folder, opened)
    if faults := [one for one in found if not one.is_hint]:
        raise SuiteRefused(faults)
    return found


def _is_proved(current: Version, carried: CarriedFiles, opened: OpenProject) -> bool:
    """Return whether trials with the present carried files proved a version without a gap."""
    is_whole = not {GAP, UNPROVED} & current.data.keys()
    return is_whole and not opened.suites.carried_changes(current, carried)


@dataclass(frozen=True)
class _Played:
    """The results of the trials of a registration; None for a part that was not played."""

    proof: Proof | None = None
    figures: SuiteFigures | None = None
    cheats: JsonObject | None = None
    lines: Sequence[str] = ()
    crossing: Crossing = field(default_factory=dict[str, Crossed])


@dataclass(frozen=True)
class _Trials:
    """The trials of a registration: those that prove the suite, measure it, and try cheats.

    A `current` version that is played again is marked as unproved if it is refused.
    """

    sealed: SealedSuite
    committed: CommittedLock | None
    current: Version | None
    proves: bool
    measures: bool
    tries: bool
    hides_words: bool

    async def play(self, opened: OpenProject, carried: CarriedFiles, sandbox: str) -> _Played:
        """Play the trials, and tell what they did not prove; refuse what is wrong."""
        project, suite = opened.project, self.sealed.suite
        rated = tuple(unrated(scenario) for scenario in suite.scenarios)
        await require_judgeable(
            suite.model_copy(update={"scenarios": rated}), project.machine.environ
        )
        base = self._base(project)
        async with known_trees(
            scope_of(opened), sandbox=sandbox, commit=base or HEAD, hides_words=self.hides_words
        ) as trees:
            found, measured, cheats = await self._results(trees, opened, has_base=bool(base))
            commit = trees.commit if base else ""
        if faults := [*found.faults, *measured.faults, *cheats.faults]:
            self._refuse(faults, opened)
        for gap, details in found.gaps.items():
            project.console.tell(f"warning: {gap}{'' if self.hides_words else f': {details}'}")
        little = () if self.hides_words else found.proves_little()
        for warning in (*measured.warnings(), *cheats.warnings(), *little):
            project.console.tell(f"warning: {warning}")
        gaps = [*found.gaps, *([] if base else ["the history lacks the commit of the baselines"])]
        if await in_thread(carried.have_changed):
            raise Refused(
                f"{', '.join(carried.paths)} changed while the trials of the registration used it",
                hint="end the process that changes it, then register the suite again",
            )
        proof = Proof(carried.content, commit, gap="; ".join(gaps))
        figures = None
        if self.measures and base:
            project_id = opened.identity.create_id()
            figures = measured.figures(self.sealed, project=project_id, commit=commit)
        kept = proof if self.proves else None
        tried = cheats.to_record() if self.tries and base else None
        return _Played(kept, figures, tried, measured.lines(), found.crossing)

    async def _results(
        self, trees: KnownTrees, opened: OpenProject, *, has_base: bool
    ) -> tuple[ProofResult, SuiteMeasurement, PlayedCheats]:
        """Play each part, unless one before found a fault."""
        found, measured, cheats = ProofResult(), SuiteMeasurement(), PlayedCheats()
        if self.proves:
            found = await SuiteProof(self.sealed, trees).play(has_base=has_base)
        if self.measures and has_base and not found.faults:
            measured = await WrongSolutions(self.sealed, trees).measure()
        if self.tries and has_base and not (found.faults or measured.faults):
            current = None if self.proves else self.current
            known = opened.suites.open(current).crossing if current else found.crossing
            cheats = await Cheats(replace(self.sealed, crossing=known), trees).play()
        return found, measured, cheats

    def _base(self, project: Project) -> str:
        """Return the commit on which baselines are proved, or "" if the history lacks it."""
        if not self.proves and self.committed is None and self.current:
            return str(self.current.data.get(PROVED_ON, HEAD))
        return _base_of(self.committed, project)

    def _refuse(self, faults: Sequence[SuiteFault], opened: OpenProject) -> Never:
        if self.current:
            rules, now = dict.fromkeys(fault.rule for fault in faults), opened.now()
            opened.suites.mark_unproved(self.current, ", ".join(rules), now=now)
            opened.project.console.tell(
                f"{self.current} stays registered, and is marked as unproved."
            )
        raise SuiteRefused(faults)


def _base_of(committed: CommittedLock | None, project: Project) -> str:
    """Return the commit on which baselines are proved, or "" and say that the history lacks it."""
    if committed is None:
        return HEAD
    if committed.is_in_history:
        return committed.base
    remedy = (
        "fetch the history before: git fetch --unshallow"
        if committed.is_shallow
        else f"remove {LOCK_FILE} (a squash or rebase may have removed the commit, or the lock is "
        "wrong), commit that, and register the suite again"
    )
    project.console.tell(
        f"The history lacks commit {committed.base[:12]}, on which the lock of the suite says that "
        f"baselines were proved: they are not played here. To play them, {remedy}"
    )
    return ""


async def register_by_lock(name: str, request: RunRequest, opened: OpenProject) -> None:
    """Register the suite of a new run by its lock in the last commit, and say so.

    Refuse in a process of a run, and if the profile demands a person.
    """
    folder = _require_registrable(name, request, opened)
    with _without_names(folder):
        registered = await register_suite(folder, opened, sandbox=request.sandbox, by=None)
    if registered.is_new:
        opened.project.console.tell(
            f"Registered {registered.version} by its {registered.version.by}."
        )


async def check_lock(name: str, request: RunRequest, opened: OpenProject) -> None:
    """Refuse what `register_by_lock` refuses before it plays trials; store nothing."""
    folder = _require_registrable(name, request, opened)
    with _without_names(folder), TemporaryDirectory() as store:
        await _require_sound(folder, opened)
        sealed = seal_suite(folder, Path(store))
        opened.suites.require_unburned(name, sealed.seal)
        committed = await read_committed_lock(folder, opened.project, sealed)
        same = committed if committed and committed.has_settings else None
        await _require_committed(folder, opened.project, sealed, same)


@contextmanager
def _without_names(folder: Path) -> Generator[None]:
    """Reword a refusal as rules and numbers: the output of `run` may reach an agent."""
    remedy = f"read it, then: attractor suite register {folder}"
    try:
        yield
    except SuiteRefused as refused:
        counts = Counter(fault.rule for fault in refused.faults)
        faults = [(rule, number_of(count, "fault")) for rule, count in counts.items()]
        raise SuiteRefused([SuiteFault(*one, remedy) for one in faults]) from None
    except InvalidSuite:
        words = "a file is invalid or missing"
        raise SuiteRefused([SuiteFault("invalid_suite", words, remedy)]) from None


def _require_registrable(name: str, request: RunRequest, opened: OpenProject) -> Path:
    """Return the folder of a suite that a new run may register by its lock."""
    project = opened.project
    refuse_in_run(f"registering suite {name}", project.machine.environ)
    found = find_suite_folder(name, project.root)
    if found is None:
        raise UnknownName(ResourceKind.SUITE, name, ())
    profile = opened.pin_profile(request.profile or project.profile)
    require_suite_for(profile, None, opened)
    return found.path


async def _require_committed(
    folder: Path, project: Project, sealed: SealedSuite, committed: CommittedLock | None
) -> CommittedLock:
    why = await why_not_committed(folder, project, sealed) if committed else _NO_LOCK
    if committed is None or why:
        name = sealed.suite.settings.name
        raise Refused(
            f"suite {name} is not registered here, and not by its lock: {why}",
            hint=f"read it, then: attractor suite register {folder}",
        )
    return committed


_NO_LOCK = f"the last commit has no {LOCK_FILE} of its files"


def _unknown_pipelines(suite: Suite, opened: OpenProject) -> Iterator[SuiteFault]:
    drawn, versions = {*drawn_pipelines(opened.project), *SHIPPED}, opened.pipelines.versions
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


async def _visible_folder(folder: Path, project: Project) -> list[SuiteFault]:
    """Return a fault if the workspaces of the project's runs contain the folder of a suite."""
    top = project.root.resolve()
    prefix = await find_prefix(top, search_path=project.machine.search_path)
    top = top.parents[prefix.count("/") - 1] if prefix else top
    suite = folder.resolve()
    if not suite.is_relative_to(top):
        return []
    path = os.fsencode(suite.relative_to(top) / "suite.toml")
    if IgnoreRules({}, excluded_in(prefix)).ignores_file(path):
        return []
    remedy = f"move it below {project.root / 'scenarios'}, or out of {top}"
    return [SuiteFault("visible_to_agents", f"workspaces contain the suite in {folder}", remedy)]


def drawn_pipelines(project: Project) -> dict[str, list[Path]]:
    """Return the files of each pipeline that a project draws, without those of runs."""
    drawn: dict[str, list[Path]] = {}
    for name in list_pipeline_files(project.root, project.runs_dir):
        file = project.root / name
        # A broken link draws no pipeline.
        with suppress(OSError):
            text = file.read_text("utf-8", "replace")
            for pipeline in {match["name"] or file.stem for match in _GRAPH.finditer(text)}:
                drawn.setdefault(pipeline, []).append(file)
    return drawn
