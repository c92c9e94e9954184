"""Reads a suite's folder, or says in which file what is wrong."""

import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.suite import Scenario, Suite, SuiteSettings

SPLITS = ("train", "holdout")
SUITE_FILE = "suite.toml"
SCENARIO_FILES = "*.scenario.toml"

M = TypeVar("M", bound=BaseModel)


def read_suite(folder: Path) -> Suite:
    """Read a suite as it is written in a folder."""
    settings = _built(SuiteSettings, folder / SUITE_FILE, _table(folder / SUITE_FILE))
    scenarios = [_scenario(file, split) for split in SPLITS for file in _files(folder / split)]
    _refuse_twins([scenario.id for scenario in scenarios], "id", folder)
    _refuse_twins([scenario.story.strip() for scenario in scenarios], "story", folder)
    if not any(scenario.split == "holdout" for scenario in scenarios):
        raise InvalidSuite(
            f"{folder}: no scenario is held out",
            hint=f"write one as holdout/NAME.{SCENARIO_FILES[2:]}",
        )
    return Suite(settings=settings, scenarios=tuple(sorted(scenarios, key=lambda one: one.id)))


def _files(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob(SCENARIO_FILES))


def _scenario(file: Path, split: str) -> Scenario:
    table = _table(file)
    if table.setdefault("split", split) != split:
        raise InvalidSuite(
            f"{file}: it says it is {table['split']} and lies in {split}/",
            hint="move it, or mend its split",
        )
    return _built(Scenario, file, table)


def _table(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise InvalidSuite(
            f"{file} is missing", hint="a suite is a folder with a suite.toml"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSuite(f"{file}: {error}", hint="mend the file") from error


def _built(model: type[M], file: Path, table: dict[str, Any]) -> M:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise InvalidSuite(
            f"{file}: {place}: {first['msg']}{more}", hint="mend the file"
        ) from error


def _refuse_twins(values: Sequence[str], what: str, folder: Path) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise InvalidSuite(
            f"{folder}: two scenarios have the same {what}: {twice[0][:60]!r}",
            hint="a holdout's words must stand nowhere else",
        )
