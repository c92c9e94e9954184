"""Plays cheats against a suite: does it believe a candidate that solves nothing?

Of holdouts that are alike, one is played.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.json import JsonObject
from attractor.factory.evaluation.known_trees import KnownTrees
from attractor.factory.registration.cheat import Cheat, Solution, all_cheats
from attractor.factory.registration.proof import first_reason_of, unrated
from attractor.factory.registration.wrong_solutions import play_all
from attractor.scenarios.patches import changes_of
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.scenarios.suite import CommandStep, InvalidSuite, Scenario
from attractor.scenarios.suite_files import is_ignored, read_suite_file
from attractor.scenarios.suite_lint import WALL_REMEDY, runs_unit_tests
from attractor.scenarios.suite_reader import references_of
from attractor.workspaces.git.repository import Git

_MOST_FILES = 200
_LARGEST = 200_000
_BUILDS = ("Makefile", "makefile", "GNUmakefile", "package.json")
_ENDS = (".py", ".js", ".mjs", ".cjs", ".sh")
_TEST = re.compile(r"(^|/)(tests?/|test_|conftest\.)|_test\.\w+$|\.(test|spec)\.\w+$")
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


@dataclass(frozen=True)
class Cheats:
    """Plays the cheats that fit the files of a project."""

    sealed: SealedSuite
    trees: KnownTrees

    async def play(self, ids: Sequence[str] = ()) -> Sequence[CheatResult]:
        """Play each cheat on some holdouts (default: one of each shape), unless it fits no file."""
        holdouts = {one.id: unrated(one) for one in self.sealed.suite.of_split("holdout")}
        for id_ in ids:
            if id_ not in holdouts:
                raise UnknownName("holdout", id_, holdouts)
        chosen = [holdouts[id_] for id_ in ids] or _of_each_shape(holdouts.values())
        jobs = [
            partial(self._play, name, cheat, scenario)
            for scenario in chosen
            for name, cheat in all_cheats().items()
        ]
        played = await play_all(jobs, "cheats", self.sealed, self.trees)
        return [one for one in played if one]

    async def _play(self, name: str, cheat: Cheat, scenario: Scenario) -> CheatResult | None:
        reference = references_of(self.sealed.folder).get(scenario.id)
        change = _Cheated(
            cheat, self.trees.scope.project.machine.search_path, self._expected(), reference
        )
        try:
            async with self.trees.play_one_by_one(self.sealed, change) as play:
                result = await play(scenario)
        except InvalidSuite:
            if change.fits:
                raise
            return None
        reason = "" if result.satisfied else first_reason_of(result)
        believed = [*dict.fromkeys(one.kind for one in scenario.checks)]
        remedy = WALL_REMEDY if runs_unit_tests(scenario) and not scenario.wall else _CASES
        return CheatResult(name, cheat.words, scenario.id, reason, believed, remedy)

    def _expected(self) -> Sequence[str]:
        found: dict[str, None] = {}
        for scenario in self.sealed.suite.of_split("train"):
            for check in scenario.checks:
                for key in ("equals", "contains"):
                    if isinstance(value := check.options.get(key), str):
                        found[value] = None
        return [*found]


def _of_each_shape(holdouts: Iterable[Scenario]) -> Iterator[Scenario]:
    """Yield the first holdout of each shape: programs of its steps, kinds of checks, wall."""
    seen: set[object] = set()
    for one in holdouts:
        programs = tuple(_program(step.run) for step in one.steps if isinstance(step, CommandStep))
        shape = programs, frozenset(check.kind for check in one.checks), bool(one.wall)
        if one.checks and shape not in seen:
            seen.add(shape)
            yield one


def _program(command: str) -> str:
    try:
        return next(iter(shlex.split(command)), "")
    except ValueError:
        return command


@dataclass
class _Cheated:
    """Writes the files of a cheat, and empties the other source files of the solution."""

    cheat: Cheat
    search_path: str
    expected: Sequence[str]
    reference: Path | None
    fits: bool = True

    async def __call__(self, folder: Path) -> None:
        git = Git(folder / ".git", self.search_path, work_tree=folder)
        names = None
        if self.reference:
            changes = changes_of(read_suite_file(self.reference))
            names = {change.file for change in changes}
        applied = self.reference and not (await git.answer("apply", str(self.reference))).exit_code
        sources = dict(_sources(folder, names))
        if applied:
            await git.answer("apply", "--reverse", str(self.reference))
        files = self.cheat.make(Solution(sources, self.expected))
        if not files:
            self.fits = False
            raise InvalidSuite("the cheat fits no file")
        # Without its build files, nothing would start.
        others = {path: text * _is_build(path) for path, text in sources.items()}
        for path, text in {**others, **files}.items():
            file = folder / path
            if file.is_symlink():
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
            if text.startswith("#!"):
                file.chmod(0o755)


def _is_build(path: str) -> bool:
    return path.rpartition("/")[2] in _BUILDS


def _sources(folder: Path, names: set[str] | None) -> Iterator[tuple[str, str]]:
    """Yield the source files of a solution: those of its patch, else all that are no tests."""
    count = 0
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder).as_posix()
        if ".git" in file.parts or file.is_symlink() or not file.is_file() or is_ignored(path):
            continue
        is_build = _is_build(path)
        is_wanted = path in names if names is not None else not _TEST.search(path)
        is_source = file.suffix in _ENDS or not file.suffix
        if not (is_build or (is_source and is_wanted)) or file.stat().st_size > _LARGEST:
            continue
        text = file.read_text("utf-8", "replace")
        if file.suffix or is_build or text.startswith("#!"):
            count += 1
            yield path, text
        if count >= _MOST_FILES:
            return
