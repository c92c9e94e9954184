"""Reads and validates the suite in a folder."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.registry import Registry
from attractor.base.toml_errors import InvalidToml, TomlMistake, TomlMistakes, parse_toml
from attractor.scenarios.check import Check, check_mistakes, check_registry
from attractor.scenarios.errors import InvalidSuite, mistakes_of
from attractor.scenarios.suite import Scenario, Suite, SuiteSettings
from attractor.scenarios.suite_files import list_suite_files, read_suite_file

SPLITS = ("train", "holdout")
SUITE_FILE = "suite.toml"
SCENARIO_FILES = "*.scenario.toml"

MOST_SUITE_BYTES = 1_000_000
"""The maximum size of a TOML file of a suite."""

_TOO_LARGE = "move large contents to separate files"

M = TypeVar("M", bound=BaseModel)


def read_suite(folder: Path) -> Suite:
    """Read and validate the suite in a folder."""
    _require_suite(folder)
    settings = _source(folder / SUITE_FILE).built(SuiteSettings)
    kinds = check_registry()
    scenarios = [
        _scenario(file, split, kinds) for split in SPLITS for file in _files(folder / split)
    ]
    _refuse_duplicates([scenario.id for scenario in scenarios], "id", folder)
    _refuse_duplicates([scenario.story.strip() for scenario in scenarios], "story", folder)
    if not any(scenario.split == "holdout" for scenario in scenarios):
        raise InvalidSuite(
            f"{folder}: no held-out scenario",
            hint=f"write one in holdout/NAME.{SCENARIO_FILES[2:]}",
        )
    return Suite(settings=settings, scenarios=tuple(sorted(scenarios, key=lambda one: one.id)))


@dataclass(frozen=True)
class _Source:
    """A TOML file: its text and its table."""

    file: Path
    text: str
    table: dict[str, Any]

    def built(self, model: type[M]) -> M:
        try:
            return model.model_validate(self.table)
        except ValidationError as error:
            raise self.error(mistakes_of(error, model, self.table)) from error

    def error(self, mistakes: Iterable[TomlMistake]) -> UsageError:
        found = TomlMistakes(self.text, str(self.file))
        found.extend(mistakes)
        return found.error(InvalidSuite)


def _require_suite(folder: Path) -> None:
    """Refuse a folder without a suite or with special files, before anything is read."""
    is_there = folder.is_dir()
    if not is_there or SUITE_FILE not in {one.path for one in list_suite_files(folder)}:
        raise InvalidSuite(
            f"missing file {folder / SUITE_FILE}", hint="a suite is a folder with a suite.toml"
        )


def _files(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob(SCENARIO_FILES))


def _scenario(file: Path, split: str, kinds: Registry[type[Check]]) -> Scenario:
    source = _source(file)
    if source.table.setdefault("split", split) != split:
        message = f"split = {source.table['split']!r} in a file of {split}/"
        raise source.error([TomlMistake(("split",), message, "move the file, or fix its split")])
    scenario = source.built(Scenario)
    if mistakes := list(check_mistakes(scenario, kinds)):
        raise source.error(mistakes)
    return scenario


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


def _refuse_duplicates(values: Sequence[str], field: str, folder: Path) -> None:
    duplicates = [value for value, count in Counter(values).items() if count > 1]
    if duplicates:
        raise InvalidSuite(
            f"{folder}: two scenarios have the same {field}: {duplicates[0][:60]!r}",
            hint="change one of them",
        )
