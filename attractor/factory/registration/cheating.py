"""Plays cheats against a suite: does it believe a candidate that solves nothing?

Of holdouts that are alike, one is played.
"""

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName, suggest
from attractor.base.json import Json, JsonObject
from attractor.factory.evaluation.known_trees import Change, KnownTrees
from attractor.factory.registration.cheat import JAVASCRIPT, PYTHON, Cheat, Solution, all_cheats
from attractor.factory.registration.hollow import GO, JAVA, RUST, TYPESCRIPT, BracedLanguage, C
from attractor.factory.registration.proof import first_reason_of, unrated
from attractor.factory.registration.wrong_solutions import play_all
from attractor.scenarios.patches import changes_of
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.scenarios.suite import (
    AcceptedCheat,
    CheckSpec,
    CommandStep,
    Scenario,
    ServiceStep,
    Suite,
)
from attractor.scenarios.suite_files import is_ignored, read_suite_file
from attractor.scenarios.suite_lint import WALL_REMEDY, SuiteFault, runs_unit_tests
from attractor.scenarios.suite_reader import reference_of
from attractor.workspaces.git.repository import Git

_MOST_FILES = 200
_LARGEST = 200_000
_BUILDS = (
    *("Makefile", "makefile", "GNUmakefile", "package.json", "Cargo.toml", "build.rs"),
    *("pom.xml", "build.gradle", "build.gradle.kts", "go.mod", "CMakeLists.txt"),
)
_COMPILED = (RUST, JAVA, C, GO, TYPESCRIPT)
_LANGUAGES = (PYTHON, JAVASCRIPT, (".sh",), *(one.ends for one in _COMPILED))
_ENDS = tuple(end for ends in _LANGUAGES for end in ends)
_TEST = re.compile(r"(^|/)(tests?/|test_|conftest\.)|_test\.\w+$|\.(test|spec)\.\w+$|Tests?\.java$")
_NO_PROGRAM = ") (\n"
_CASES = "check results by cases, or by a verifier that imports nothing of the candidate"


@dataclass(frozen=True)
class CheatResult:
    """The outcome of a cheat: the reason why the holdout was not satisfied, or "" if it was."""

    cheat: str
    words: str
    scenario: str
    reason: str = ""
    believed: Sequence[str] = ()
    remedy: str = ""

    @property
    def has_fooled(self) -> bool:
        """Whether the holdout believed the cheat."""
        return not self.reason

    def to_record(self) -> JsonObject:
        """Return the JSON record of the outcome."""
        return {
            "cheat": self.cheat,
            "scenario": self.scenario,
            "fooled": self.has_fooled,
            "reason": self.reason,
            "believed": [*self.believed],
            "remedy": self.remedy if self.has_fooled else "",
        }

    def __str__(self) -> str:
        if not self.has_fooled:
            return f"{self.cheat}: noticed by {self.scenario}: {self.reason}"
        checks = f" (checks: {', '.join(self.believed)})" if self.believed else ""
        return (
            f"{self.cheat}: {self.scenario} believes a candidate that {self.words}{checks}: "
            f"{self.remedy}"
        )

    @property
    def fault(self) -> SuiteFault:
        """The fault of a suite whose holdout believed the cheat."""
        accept = f'or accept it in suite.toml: [[accept]] with cheat = "{self.cheat}", and why'
        return SuiteFault("fooled", str(self), accept, self.scenario)


@dataclass(frozen=True)
class PlayedCheats:
    """The outcomes of all cheats that fit a project, and those that the suite accepts.

    `untried` are the languages whose compiler is missing.
    """

    results: Sequence[CheatResult] = ()
    accepted: Sequence[AcceptedCheat] = ()
    untried: Sequence[str] = ()

    @property
    def faults(self) -> Sequence[SuiteFault]:
        """The reasons to refuse the suite."""
        accepted = {one.cheat for one in self.accepted}
        return [one.fault for one in self.results if one.has_fooled and one.cheat not in accepted]

    def warnings(self) -> Iterator[str]:
        """Yield warnings about languages that were not tried, and needless acceptances."""
        if self.untried:
            yield f"no cheats were tried in {', '.join(self.untried)}"
        for one in self.accepted:
            if one.cheat not in self._believed:
                yield f"the suite accepts the cheat {one.cheat}, and no holdout believes it"

    def to_record(self) -> JsonObject:
        """Return the counts of cheats, without names of holdouts."""
        tried = {one.cheat for one in self.results}
        return {
            "tried": len(tried),
            "noticed": len(tried - self._believed),
            "accepted": {
                one.cheat: one.why for one in self.accepted if one.cheat in self._believed
            },
        }

    @cached_property
    def _believed(self) -> Set[str]:
        return {one.cheat for one in self.results if one.has_fooled}


def unknown_cheats(suite: Suite) -> Iterator[SuiteFault]:
    """Yield the accepted cheats that do not exist."""
    for one in suite.settings.accept:
        if one.cheat not in all_cheats():
            words = f"accept names the cheat {one.cheat}, which does not exist"
            near = suggest(one.cheat, all_cheats())
            remedy = f"did you mean {near}?" if near else f"known: {', '.join(all_cheats())}"
            yield SuiteFault("unknown_cheat", words, remedy)


@dataclass(frozen=True)
class Cheats:
    """Plays the cheats that fit the files of a project."""

    sealed: SealedSuite
    trees: KnownTrees

    async def play(self, ids: Sequence[str] = ()) -> PlayedCheats:
        """Play each cheat on some holdouts (default: one of each shape), unless it fits no file."""
        holdouts = {one.id: unrated(one) for one in self.sealed.suite.of_split("holdout")}
        for id_ in ids:
            if id_ not in holdouts:
                raise UnknownName("holdout", id_, holdouts)
        judging = [holdouts[id_] for id_ in ids] or [one for one in holdouts.values() if one.checks]
        chosen = judging if ids else [*_of_each_shape(judging)]
        jobs: list[Callable[[], Awaitable[CheatResult]]] = []
        untried: dict[str, None] = {}
        for scenario in chosen:
            solution, emptied = await self._solution_of(scenario)
            for name, cheat in all_cheats().items():
                if (cheat.is_honest and scenario is not chosen[0]) or not (
                    files := cheat.make(solution)
                ):
                    continue
                if (language := cheat.language) and self._is_missing(language):
                    untried[f"{language.name} (no {language.needs} on the PATH)"] = None
                    continue
                change = _Cheated(emptied, files)
                # Each step can take the whole limit.
                quickest = sorted(judging, key=lambda one: len(one.steps))
                on = quickest if cheat.is_honest else [scenario]
                jobs.append(partial(self._play, name, cheat, on, change))
        # Many of them wait for a service that never answers.
        least = 4 * (os.cpu_count() or 1)
        played = await play_all(jobs, "cheats", self.sealed, self.trees, least=least)
        fooled = {one.scenario for one in played if one.has_fooled}
        others = {one.id for one in chosen if one.id in fooled and await self._reads_none(one)}
        played = [
            one for one in played if one.scenario not in others or all_cheats()[one.cheat].is_honest
        ]
        return PlayedCheats(played, self.sealed.suite.settings.accept, [*untried])

    async def _reads_none(self, scenario: Scenario) -> bool:
        """Return whether a scenario passes as before though no source file is a program."""
        if scenario.baseline != "pass":
            return False
        solution, _ = await self._solution_of(scenario)
        broken = _Cheated({}, dict.fromkeys(solution.sources, _NO_PROGRAM))
        async with self.trees.play_one_by_one(self.sealed, broken) as play:
            return (await play(scenario)).satisfied

    def _is_missing(self, language: BracedLanguage) -> bool:
        path = self.trees.scope.project.machine.search_path
        return not shutil.which(language.needs, path=path)

    async def _solution_of(self, scenario: Scenario) -> tuple[Solution, Mapping[str, str]]:
        """Read what cheats are made from: the tree with the reference of a scenario, if any.

        Return also the sources that the reference changes, which no cheat keeps; without one, all.
        """
        workspace, names = self.trees.workspace, None
        reference = reference_of(self.sealed.folder, scenario.id)
        with tempfile.TemporaryDirectory() as kept:
            folder = Path(kept)
            await workspace.export(workspace.base.candidate, folder, repository=True)
            if reference:
                names = {change.file for change in changes_of(read_suite_file(reference))}
                path = self.trees.scope.project.machine.search_path
                git = Git(folder / ".git", path, work_tree=folder)
                await git.answer("apply", str(reference))
            sources = dict(_sources(folder, names))
        emptied = {path: sources[path] for path in sources if names is None or path in names}
        solution = replace(
            self._known_to_agents(),
            sources=sources,
            reads_files=any(map(_reads_file, scenario.checks)),
            has_service=any(isinstance(step, ServiceStep) for step in scenario.steps),
            commands=[step.run for step in scenario.steps if isinstance(step, CommandStep)],
            fixtures=[*self._fixtures_of(scenario)],
        )
        return solution, emptied

    def _fixtures_of(self, scenario: Scenario) -> Iterator[str]:
        for one in scenario.fixtures:
            source = self.sealed.folder / "fixtures" / one.source
            yield one.target
            for file in source.rglob("*.*"):
                yield f"{one.target}/{file.relative_to(source).as_posix()}"

    async def _play(
        self, name: str, cheat: Cheat, scenarios: Sequence[Scenario], change: Change
    ) -> CheatResult:
        """Play a cheat on holdouts, up to the first that notices it."""
        async with self.trees.play_one_by_one(_limited(self.sealed, cheat.limit), change) as play:
            for scenario in scenarios:
                result = await play(_hurried(scenario, cheat.limit))
                if not result.satisfied:
                    return CheatResult(name, cheat.words, scenario.id, first_reason_of(result))
        *_, last = scenarios
        believed = [*dict.fromkeys(one.kind for one in last.checks)]
        is_unguarded = runs_unit_tests(last) and not last.wall
        remedy = WALL_REMEDY if is_unguarded else cheat.remedy or _CASES
        return CheatResult(name, cheat.words, last.id, "", believed, remedy)

    def _known_to_agents(self) -> Solution:
        expected: dict[str, None] = {}
        read: dict[str, str] = {}
        ports: dict[int, None] = {}
        for scenario in self.sealed.suite.of_split("train"):
            ports |= {step.port: None for step in scenario.steps if isinstance(step, ServiceStep)}
            for check in scenario.checks:
                texts = [check.options.get(key) for key in ("equals", "contains")]
                found = [one for one in texts if isinstance(one, str)]
                expected |= dict.fromkeys(found)
                path = check.options.get("path" if check.kind == "file" else "file")
                if isinstance(path, str) and _is_below(path):
                    read[path] = found[0] if found else ""
        return Solution({}, [*expected], read, [*ports])


def _limited(sealed: SealedSuite, limit: timedelta | None) -> SealedSuite:
    """Return a suite whose trials have at most a time limit."""
    settings = sealed.suite.settings
    if not limit or limit >= settings.trials.timeout:
        return sealed
    trials = settings.trials.model_copy(update={"timeout": limit})
    update = {"settings": settings.model_copy(update={"trials": trials})}
    return replace(sealed, suite=sealed.suite.model_copy(update=update))


def _hurried(scenario: Scenario, limit: timedelta | None) -> Scenario:
    """Return a scenario whose steps have at most a time limit."""
    if not limit:
        return scenario
    steps = [
        one.model_copy(
            update={
                key: limit
                for key in ("timeout", "ready")
                if (given := getattr(one, key, None)) and given > limit
            }
        )
        for one in scenario.steps
    ]
    return scenario.model_copy(update={"steps": tuple(steps)})


def _reads_file(check: CheckSpec) -> bool:
    return check.kind in ("file", "command") or "file" in check.options


def _is_below(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not {"..", "/", ".git"} & {*parts}


def _of_each_shape(holdouts: Iterable[Scenario]) -> Iterator[Scenario]:
    """Yield the first holdout of each shape: programs, tests of the suite, wall, kinds of checks.

    If its checks include all kinds of another shape, it is at least as strict, and skipped.
    """
    shapes: dict[tuple[object, Set[object]], Scenario] = {}
    for one in holdouts:
        steps = [step.run for step in one.steps if isinstance(step, CommandStep)]
        tests = runs_unit_tests(one) or _starts_fixture(one, steps)
        alike = frozenset(map(_program, steps)), bool(one.wall), tests
        kinds = frozenset((check.kind, _exit_code(check)) for check in one.checks)
        if kinds:
            shapes.setdefault((alike, kinds), one)
    for (alike, kinds), one in shapes.items():
        if not any(alike == other and fewer < kinds for other, fewer in shapes):
            yield one


def _starts_fixture(scenario: Scenario, steps: Sequence[str]) -> bool:
    """Return whether a step names a program among the fixtures, such as `check` of `check.py`."""
    paths = [PurePosixPath(fixture.target) for fixture in scenario.fixtures]
    programs = [path.stem for path in paths if path.suffix in ("", *_ENDS)]
    return any(name in step for name in programs for step in steps)


def _exit_code(check: CheckSpec) -> Json:
    return check.options.get("equals", 0) if check.kind == "exit" else None


def _program(command: str) -> str:
    try:
        return next(iter(shlex.split(command)), "")
    except ValueError:
        return command


@dataclass(frozen=True)
class _Cheated:
    """Writes the files of a cheat, and empties the other source files of the solution."""

    sources: Mapping[str, str]
    files: Mapping[str, str]

    async def __call__(self, folder: Path) -> None:
        # Without its build files, nothing would start.
        others = {path: text * _is_build(path) for path, text in self.sources.items()}
        for path, text in {**others, **self.files}.items():
            file = folder / path
            if file.is_symlink() or not file.resolve().is_relative_to(folder.resolve()):
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
            if text.startswith("#!"):
                file.chmod(0o755)


def _is_build(path: str) -> bool:
    return path.rpartition("/")[2] in _BUILDS


def _language_of(path: str) -> Sequence[str]:
    end = PurePosixPath(path).suffix
    return next((ends for ends in _LANGUAGES if end in ends), (end,))


def _sources(folder: Path, names: set[str] | None) -> Iterator[tuple[str, str]]:
    """Yield the source files of a solution: those of its patch, and all of other languages.

    Files of other languages, or all without a patch, are read unless they are tests.
    """
    count, changed = 0, names or set[str]()
    languages = {_language_of(path) for path in changed}
    paths = (file.relative_to(folder).as_posix() for file in folder.rglob("*"))
    for path in sorted(paths, key=lambda path: (path not in changed, path)):
        file = folder / path
        if ".git" in file.parts or file.is_symlink() or not file.is_file() or is_ignored(path):
            continue
        is_build = _is_build(path)
        is_other = _language_of(path) not in languages and not _TEST.search(path)
        is_wanted = path in changed or is_other
        is_source = file.suffix in _ENDS or not file.suffix
        if not (is_build or (is_source and is_wanted)) or file.stat().st_size > _LARGEST:
            continue
        text = file.read_text("utf-8", "replace")
        if file.suffix or is_build or text.startswith("#!"):
            count += 1
            yield path, text
        if count >= _MOST_FILES:
            return
