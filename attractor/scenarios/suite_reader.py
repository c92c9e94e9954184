"""Reads and validates the suite in a folder."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import parse_object
from attractor.base.registry import Registry
from attractor.base.toml import (
    InvalidToml,
    KeyPath,
    TomlMistake,
    TomlMistakes,
    did_you_mean,
    dotted,
    parse_toml,
)
from attractor.config.tables import read_table
from attractor.scenarios.cases.cases import read_cases
from attractor.scenarios.check import Check, check_mistakes, check_registry, files_of_checks
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.patches import same_changes, windows_line
from attractor.scenarios.requirements import RequirementList, folded
from attractor.scenarios.suite import (
    EDITION,
    ReceivedStep,
    Scenario,
    Suite,
    SuiteSettings,
    WrongSolution,
    mistakes_of,
)
from attractor.scenarios.suite_files import (
    FIXTURES,
    LOCK_FILE,
    PATCH_END,
    PATCHES,
    REQUIREMENTS_FILE,
    RUBRICS,
    SCENARIO_END,
    SPLITS,
    SUITE_FILE,
    TWIN_FILE,
    TWINS,
    WRONG,
    SuiteFile,
    files_of_suite,
    hash_content,
    list_suite_files,
    read_suite_file,
    refuse_misplaced,
    twins_folder,
)

if TYPE_CHECKING:
    from attractor.twins.services.service import Service

MOST_SUITE_BYTES = 1_000_000
"""The maximum size of a TOML file of a suite."""

WHOLE = "requirements"
"""The name of the reference of all scenarios of a suite with requirements."""
VARIANT = "--"
"""Parts the id of a requirement from the rest of the name of a wrong solution that breaks it."""

_TOO_LARGE = "move large contents to separate files"

M = TypeVar("M", bound=BaseModel)


def read_suite(folder: Path, *, is_sealed: bool = False) -> Suite:
    """Read and validate the suite in a folder, with the files and twins that it names.

    The twins of a sealed copy were validated before sealing, and are not loaded. Its numbers may be
    texts.
    """
    is_there = folder.is_dir()
    if not is_there or SUITE_FILE not in {one.path for one in list_suite_files(folder)}:
        raise InvalidSuite(
            f"missing file {folder / SUITE_FILE}", hint="a suite is a folder with a suite.toml"
        )
    source = _source(folder / SUITE_FILE)
    settings = source.built(SuiteSettings, is_sealed=is_sealed)
    files = files_of_suite(folder, [twin.name for twin in settings.twins])
    refuse_misplaced(files)
    edition = 1 if not is_sealed and _is_locked_earlier(folder, files) else EDITION
    # Files that an earlier version has locked were valid for it.
    was_valid = is_sealed or edition < EDITION
    twins = {} if is_sealed else _read_twins(source, settings, folder, was_valid)
    listed = read_requirements(folder, is_sealed=is_sealed)
    reader = _ScenarioReader(
        folder, settings, listed, {one.path for one in files}, twins, was_valid
    )
    scenarios = [reader.read(one) for one in files if one.path.split("/")[0] in SPLITS]
    if not any(scenario.split == "holdout" for scenario in scenarios):
        raise InvalidSuite(
            f"{folder}: no held-out scenario", hint=f"write one in holdout/NAME{SCENARIO_END}"
        )
    by_name = _wrongs_of_requirements(settings, files, listed, scenarios)
    settings = settings.model_copy(update={"wrong": (*settings.wrong, *by_name)})
    mistakes = [
        *_unmatched_musts(settings, scenarios),
        *_invalid_wrongs(folder, settings, listed, scenarios),
    ]
    if mistakes:
        raise source.error(mistakes)
    _refuse_unnamed(files, settings, listed, scenarios, reader.kinds)
    named = {one for scenario in scenarios for one in files_of_checks(scenario, reader.kinds)}
    for file in files:
        if ("program", file.path) in named and not file.is_executable:
            raise InvalidSuite(f"{file.source} is not executable", hint=f"chmod +x {file.source}")
        if ("cases", file.path) in named:
            read_cases(file.source)
    in_order = tuple(sorted(scenarios, key=lambda one: one.id))
    return Suite(settings=settings, scenarios=in_order, edition=edition, requirements=listed)


def _is_locked_earlier(folder: Path, files: Sequence[SuiteFile]) -> bool:
    """Return whether the lock in a folder is one without an edition, and names these files."""
    lock = folder / LOCK_FILE
    found = parse_object(lock.read_text("utf-8", "replace")) if lock.is_file() else None
    if found is None or "edition" in found:
        return False
    hashes = {one.path: hash_content(one, read_suite_file(one.source)) for one in files}
    return found.get("files") == hashes


@dataclass(frozen=True)
class _Source:
    """A TOML file: text and parsed table."""

    file: Path
    text: str
    table: dict[str, Any]

    def built(self, model: type[M], *, is_sealed: bool) -> M:
        try:
            # An earlier version has sealed texts in place of numbers.
            return model.model_validate(self.table) if is_sealed else read_table(model, self.table)
        except ValidationError as error:
            raise self.error(mistakes_of(error, model, self.table)) from error

    def error(self, mistakes: Iterable[TomlMistake]) -> UsageError:
        found = TomlMistakes(self.text, str(self.file))
        found.extend(mistakes)
        return found.error(InvalidSuite)


def _source(file: Path) -> _Source:
    content = read_suite_file(file)
    if len(content) > MOST_SUITE_BYTES:
        raise InvalidSuite(f"{file} exceeds {MOST_SUITE_BYTES} bytes", hint=_TOO_LARGE)
    try:
        text = content.decode("utf-8")
        return _Source(file, text, parse_toml(text))
    except InvalidToml as error:
        raise InvalidSuite(error.at(str(file)), hint=error.hint) from error
    except UnicodeDecodeError as error:
        raise InvalidSuite(f"{file}: {error}", hint="save it as UTF-8") from error


def _mistake(path: KeyPath, message: str, hint: str) -> TomlMistake:
    return TomlMistake(path, f"{dotted(path)}: {message}", hint)


def _unknown_twin(path: KeyPath, name: str, known: Collection[str]) -> TomlMistake:
    hint = did_you_mean(name, known) or "name it in a [[twins]] of suite.toml"
    return _mistake(path, f"unknown twin {name!r}", hint)


@dataclass
class _ScenarioReader:
    """Reads the scenarios of a suite one by one, and remembers ids and stories."""

    folder: Path
    settings: SuiteSettings
    listed: RequirementList
    files: set[str]
    twins: "Mapping[str, Service]"
    is_sealed: bool
    kinds: Registry[type[Check]] = field(default_factory=check_registry)
    _seen: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def read(self, file: SuiteFile) -> Scenario:
        source, split = _source(file.source), file.path.split("/")[0]
        if source.table.setdefault("split", split) != split:
            message = f"split = {source.table['split']!r} in a file of {split}/"
            hint = "move the file, or fix its split"
            raise source.error([TomlMistake(("split",), message, hint)])
        scenario = source.built(Scenario, is_sealed=self.is_sealed)
        mistakes = [
            *check_mistakes(
                scenario,
                self.kinds,
                twins=[twin.name for twin in self.settings.twins],
                files=self.files,
                is_sealed=self.is_sealed,
            ),
            *_unknown_requirements(scenario.proves, self.listed, ("proves",)),
            *self._missing_fixtures(scenario),
            *self._invalid_seeds(scenario),
            *self._unknown_twins(scenario),
            *self._duplicates(scenario, file.path),
            *self._misplaced_canary(source.text, split),
        ]
        if mistakes:
            raise source.error(mistakes)
        return scenario

    def _missing_fixtures(self, scenario: Scenario) -> Iterator[TomlMistake]:
        known = [one.removeprefix(f"{FIXTURES}/") for one in self.files if _is_below(one, FIXTURES)]
        for number, fixture in enumerate(scenario.fixtures):
            if not any(_is_at(path, fixture.source) for path in known):
                message = f"missing file {FIXTURES}/{fixture.source}"
                hint = did_you_mean(fixture.source, sorted(known)) or f"add it to {FIXTURES}/"
                yield _mistake((FIXTURES, number), message, hint)

    def _invalid_seeds(self, scenario: Scenario) -> Iterator[TomlMistake]:
        seeds = {twin.name: twin.seed for twin in self.settings.twins}
        for name, seed in scenario.seed.items():
            if name not in seeds:
                yield _unknown_twin(("seed", name), name, seeds)
            elif name in self.twins:
                seeded = {**seeds[name], **seed}
                yield from _seed_mistakes(self.twins[name], seeded, ("seed", name))

    def _unknown_twins(self, scenario: Scenario) -> Iterator[TomlMistake]:
        known = [twin.name for twin in self.settings.twins]
        for number, step in enumerate(scenario.steps):
            if isinstance(step, ReceivedStep) and step.received not in known:
                yield _unknown_twin(("steps", number, "received"), step.received, known)

    def _misplaced_canary(self, text: str, split: str) -> Iterator[TomlMistake]:
        canary = self.settings.isolation.canary
        if canary and split == "holdout" and canary not in text:
            yield TomlMistake((), "missing canary of suite.toml", f"add the line: # {canary}")
        if canary and split == "train" and canary in text:
            hint = "remove it: agents may read train scenarios"
            yield TomlMistake((), "canary of the holdouts in a train scenario", hint)

    def _duplicates(self, scenario: Scenario, path: str) -> Iterator[TomlMistake]:
        for key, value in (("id", scenario.id), ("story", scenario.story.strip())):
            other = self._seen.setdefault((key, value), path)
            if other != path:
                yield _mistake((key,), f"the same {key} is in {other}", "change one of them")


def _unknown_requirements(
    ids: Sequence[str], listed: RequirementList, at: KeyPath
) -> Iterator[TomlMistake]:
    for id_ in ids:
        if id_ not in listed.by_id:
            hint = did_you_mean(id_, listed.by_id) or f"add it to {REQUIREMENTS_FILE}"
            yield _mistake(at, f"unknown requirement {id_!r}", hint)


def read_requirements(folder: Path, *, is_sealed: bool = False) -> RequirementList:
    """Read the list of requirements of a suite; without a file it is empty."""
    if not (folder / REQUIREMENTS_FILE).exists():
        return RequirementList()
    source = _source(folder / REQUIREMENTS_FILE)
    listed = source.built(RequirementList, is_sealed=is_sealed)
    mistakes: list[TomlMistake] = []
    for key in ("id", "sentence"):
        first: dict[str, int] = {}
        for number, one in enumerate(listed.requirement):
            if first.setdefault(value := folded(getattr(one, key)), number) != number:
                at: KeyPath = ("requirement", number, key)
                mistakes.append(_mistake(at, f"duplicate {key} {value!r}", "remove one of them"))
    if mistakes:
        raise source.error(mistakes)
    return listed


def _wrongs_of_requirements(
    settings: SuiteSettings,
    files: Sequence[SuiteFile],
    listed: RequirementList,
    scenarios: Sequence[Scenario],
) -> Iterator[WrongSolution]:
    """Yield the wrong solutions that break a requirement, by the names of their patches."""
    described = {one.id for one in settings.wrong}
    paths = {one.path for one in files}
    references = [path for path in paths if _is_below(path, PATCHES)]
    has_own = len(references) == 1 and references != [f"{PATCHES}/{WHOLE}{PATCH_END}"]
    for path in sorted(path for path in paths if _is_below(path, WRONG)):
        id_ = path.removeprefix(f"{WRONG}/").removesuffix(PATCH_END)
        broken = id_.split(VARIANT)[0]
        if id_ in described or broken not in listed.by_id:
            continue
        proofs = [one.id for one in scenarios if one.split == "holdout" and broken in one.proves]
        if not proofs:
            raise InvalidSuite(
                f"{path} breaks the requirement {broken}, which no holdout proves",
                hint=f'write proves = ["{broken}"] in a holdout',
            )
        yield WrongSolution(
            id=id_, on=None if has_own else WHOLE, noticed_by=tuple(proofs), breaks=broken
        )


def _unmatched_musts(
    settings: SuiteSettings, scenarios: Sequence[Scenario]
) -> Iterator[TomlMistake]:
    ids = [scenario.id for scenario in scenarios if scenario.split == "holdout"]
    for number, pattern in enumerate(settings.gate.must):
        if not any(fnmatchcase(id_, pattern) for id_ in ids):
            message = f"no held-out scenario matches {pattern!r}"
            yield _mistake(("gate", "must", number), message, did_you_mean(pattern, ids))


def _invalid_wrongs(
    folder: Path,
    settings: SuiteSettings,
    listed: RequirementList,
    scenarios: Sequence[Scenario],
) -> Iterator[TomlMistake]:
    """Yield the mistakes in `[[wrong]]` and in the patches in `wrong/`."""
    splits = {one.id: one.split for one in scenarios}
    holdouts = [id_ for id_, split in splits.items() if split == "holdout"]
    references, ids = references_of(folder), [wrong.id for wrong in settings.wrong]
    for number, wrong in enumerate(settings.wrong):
        at: KeyPath = (WRONG, number)
        if wrong.id in ids[:number]:
            yield _mistake((*at, "id"), f"duplicate wrong solution {wrong.id!r}", "rename one")
        for place, id_ in enumerate(wrong.noticed_by):
            if id_ not in holdouts:
                kind = "a train scenario, which agents may read" if id_ in splits else "unknown"
                hint = did_you_mean(id_, holdouts) or "name a holdout"
                yield _mistake((*at, "noticed_by", place), f"{id_!r} is {kind}", hint)
        broken = [*filter(None, [wrong.breaks])]
        yield from _unknown_requirements(broken, listed, (*at, "breaks"))
        if wrong.on is None and len(references) != 1:
            hint = f'write on = "ID" for {PATCHES}/ID{PATCH_END}, or on = "" for the commit itself'
            yield _mistake((*at, "on"), f"the suite has {len(references)} references", hint)
        elif wrong.on and wrong.on not in references:
            hint = did_you_mean(wrong.on, references) or f"add it to {PATCHES}/"
            yield _mistake((*at, "on"), f"unknown reference {wrong.on!r}", hint)
        file = folder / WRONG / f"{wrong.id}{PATCH_END}"
        for fault, hint in _patch_faults(file, references, settings.isolation.canary):
            yield TomlMistake((*at, "id"), fault, hint)


def _patch_faults(
    file: Path, references: Mapping[str, Path], canary: str
) -> Iterator[tuple[str, str]]:
    """Yield the faults of the patch of a wrong solution, each with its remedy."""
    if not file.is_file():
        yield f"missing file {file}", "add it, or remove the table"
        return
    patch = read_suite_file(file)
    if line := windows_line(patch):
        yield f"{file}:{line}: the header ends in CRLF", "save it with the line ends of Git (LF)"
    if canary.encode() not in patch.split(b"\n")[0]:
        yield f"{file}:1: missing canary of {SUITE_FILE}", f"begin it with the line: # {canary}"
    for reference in references.values():
        if same_changes(patch, read_suite_file(reference)):
            yield f"{file} equals {PATCHES}/{reference.name}", "write a patch with a mistake"


def reference_of(folder: Path, scenario: str) -> Path | None:
    """Return the reference patch of a scenario: its own, or that of the whole suite."""
    references = references_of(folder)
    return references.get(scenario) or references.get(WHOLE)


def references_of(folder: Path) -> Mapping[str, Path]:
    """Return the reference patches in the folder of a suite, by the ids of their scenarios.

    That of the whole suite is `WHOLE`.
    """
    files = sorted((folder / PATCHES).glob(f"*{PATCH_END}"))
    return {file.name.removesuffix(PATCH_END): file for file in files}


def _read_twins(
    source: _Source, settings: SuiteSettings, folder: Path, was_valid: bool
) -> "dict[str, Service]":
    """Read the twins that a suite names, and refuse twins that no candidate could use."""
    twins: dict[str, Service] = {}
    mistakes: list[TomlMistake] = []
    variables: dict[str, str] = {}
    place = twins_folder(folder)
    for number, one in enumerate(settings.twins):
        at: KeyPath = ("twins", number, "name")
        file = place / one.name / TWIN_FILE
        if not file.is_file():
            known = sorted(found.parent.name for found in place.glob(f"*/{TWIN_FILE}"))
            hint = did_you_mean(one.name, known) or "add this file"
            mistakes.append(_mistake(at, f"missing twin {file}", hint))
            continue
        # Starlette and Jinja double the start time of commands, and most suites have no twin.
        from attractor.twins.services.service import load_service

        service = load_service(place / one.name, is_sealed=was_valid)
        mistakes += _seed_mistakes(service, one.seed, ("twins", number, "seed"))
        if one.name in twins:
            mistakes.append(_mistake(at, f"duplicate twin {one.name!r}", "remove one of them"))
        elif not service.table.environ:
            hint = 'add [environ] to its twin.toml, such as TODO_API_URL = "{{ url }}"'
            mistakes.append(_mistake(at, "the twin has no variable for its address", hint))
        for name in service.table.environ:
            if variables.setdefault(name, one.name) != one.name:
                message = f"the twin {variables[name]!r} has the same variable {name}"
                mistakes.append(_mistake(at, message, "rename one of them"))
        twins[one.name] = service
    if mistakes:
        raise source.error(mistakes)
    return twins


def _seed_mistakes(
    service: "Service", seed: Mapping[str, Any], at: KeyPath
) -> Iterator[TomlMistake]:
    # Late, as in `_read_twins`.
    from attractor.twins.services.errors import ServiceError
    from attractor.twins.services.service import with_state

    try:
        with_state(service, seed)
    except ServiceError as error:
        yield _mistake(at, error.message, error.hint)


def _refuse_unnamed(
    files: Sequence[SuiteFile],
    settings: SuiteSettings,
    listed: RequirementList,
    scenarios: Sequence[Scenario],
    kinds: Registry[type[Check]],
) -> None:
    """Refuse fixtures, rubrics, patches, wrong solutions and twins that nothing names."""
    named = {
        *(f"{FIXTURES}/{fixture.source}" for one in scenarios for fixture in one.fixtures),
        *(path for scenario in scenarios for _, path in files_of_checks(scenario, kinds)),
        *(f"{PATCHES}/{scenario.id}{PATCH_END}" for scenario in scenarios),
        *([f"{PATCHES}/{WHOLE}{PATCH_END}"] if listed.requirement else []),
        *(f"{WRONG}/{wrong.id}{PATCH_END}" for wrong in settings.wrong),
        *(f"{TWINS}/{twin.name}" for twin in settings.twins),
    }
    remedies = {
        FIXTURES: ("no scenario names this fixture", "name it in fixtures of a scenario"),
        RUBRICS: ("no check names this rubric", "name it in a check of kind rubric"),
        PATCHES: ("no scenario has this id", f"name it {PATCHES}/ID.patch"),
        WRONG: ("no wrong solution has this id", f"describe it in a [[wrong]] of {SUITE_FILE}"),
        TWINS: ("the suite does not name this twin", f"name it in a [[twins]] of {SUITE_FILE}"),
    }
    for one in files:
        top = one.path.split("/")[0]
        if top in remedies and not any(_is_at(one.path, path) for path in named):
            message, hint = remedies[top]
            raise InvalidSuite(f"{one.source}: {message}", hint=f"{hint}, or remove it")


def _is_at(path: str, place: str) -> bool:
    """Return whether a path is a place, or lies in a folder."""
    return path == place or _is_below(path, place)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")
