"""Reads a suite's folder, or says in which file what is wrong."""

import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.registry import Registry
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.judging import check_registry, wrong_checks
from attractor.scenarios.mistakes import Mistake, mistakes_of, refusal
from attractor.scenarios.observed import Check
from attractor.scenarios.suite import Scenario, Suite, SuiteSettings
from attractor.scenarios.suite_files import files_of, read_file

SPLITS = ("train", "holdout")
SUITE_FILE = "suite.toml"
SCENARIO_FILES = "*.scenario.toml"

MOST_BYTES = 1_000_000
"""How long a file of words may be; what is longer was not written by hand."""

_MEND = "mend the file"
_TOO_LARGE = "put what is large into a file of its own"

M = TypeVar("M", bound=BaseModel)


def read_suite(folder: Path) -> Suite:
    """Read a suite as it is written in a folder."""
    _require_suite(folder)
    settings = _source(folder / SUITE_FILE).built(SuiteSettings)
    kinds = check_registry()
    scenarios = [
        _scenario(file, split, kinds) for split in SPLITS for file in _files(folder / split)
    ]
    _refuse_twins([scenario.id for scenario in scenarios], "id", folder)
    _refuse_twins([scenario.story.strip() for scenario in scenarios], "story", folder)
    if not any(scenario.split == "holdout" for scenario in scenarios):
        raise InvalidSuite(
            f"{folder}: no scenario is held out",
            hint=f"write one as holdout/NAME.{SCENARIO_FILES[2:]}",
        )
    return Suite(settings=settings, scenarios=tuple(sorted(scenarios, key=lambda one: one.id)))


@dataclass(frozen=True)
class _Source:
    """A file as it is written, and what it says."""

    file: Path
    text: str
    table: dict[str, Any]

    def built(self, model: type[M]) -> M:
        try:
            return model.model_validate(self.table)
        except ValidationError as error:
            raise self.refusal(list(mistakes_of(error, model))) from error

    def refusal(self, mistakes: list[Mistake]) -> InvalidSuite:
        return refusal(str(self.file), self.text, mistakes)


def _require_suite(folder: Path) -> None:
    """Refuse a folder that is none, and what must not be read in it, before anything is read."""
    is_there = folder.is_dir()
    if not is_there or SUITE_FILE not in {one.path for one in files_of(folder)}:
        raise InvalidSuite(
            f"{folder / SUITE_FILE} is missing", hint="a suite is a folder with a suite.toml"
        )


def _files(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob(SCENARIO_FILES))


def _scenario(file: Path, split: str, kinds: Registry[type[Check]]) -> Scenario:
    source = _source(file)
    if source.table.setdefault("split", split) != split:
        said = f"it says it is {source.table['split']} and lies in {split}/"
        raise source.refusal([Mistake(("split",), said, "move it, or mend its split")])
    scenario = source.built(Scenario)
    if wrong := list(wrong_checks(scenario, kinds)):
        raise source.refusal(wrong)
    return scenario


def _source(file: Path) -> _Source:
    content = read_file(file)
    if len(content) > MOST_BYTES:
        raise InvalidSuite(f"{file} is larger than {MOST_BYTES} bytes", hint=_TOO_LARGE)
    try:
        text = content.decode("utf-8")
        return _Source(file, text, tomllib.loads(text))
    except RecursionError as error:
        raise InvalidSuite(f"{file}: its values are nested too deeply", hint=_MEND) from error
    except ValueError as error:
        raise InvalidSuite(f"{file}: {error}", hint=_MEND) from error


def _refuse_twins(values: Sequence[str], what: str, folder: Path) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise InvalidSuite(
            f"{folder}: two scenarios have the same {what}: {twice[0][:60]!r}",
            hint="a holdout's words must stand nowhere else",
        )
