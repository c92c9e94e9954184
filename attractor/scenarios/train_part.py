"""The files of a sealed suite that its train scenarios need, with no word of a holdout."""

from collections.abc import Iterator
from pathlib import Path

from attractor.base.json import canonical_json, parse_object
from attractor.base.toml import parse_toml
from attractor.scenarios.check import check_registry, files_of_checks
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.sealed_suite import SealedSuite
from attractor.scenarios.suite import Scenario, Suite, SuiteSettings
from attractor.scenarios.suite_files import (
    CHECKS,
    FIXTURES,
    SUITE_FILE,
    TWINS,
    SuiteFile,
    list_suite_files,
    read_suite_file,
)

SETTINGS = "settings.json"
_TRAIN = "train/"
_OF_HOLDOUTS = ("gate", "isolation", "wrong")
"""The tables of a suite that name holdouts, or the words by which a leak is found."""


def train_part_of(sealed: SealedSuite) -> Iterator[tuple[str, bytes, int]]:
    """Yield the files of the train part of a sealed suite, each with its path and its mode.

    Refuse a suite with a program in `checks/` that no check names: it may tell about holdouts.
    """
    folder, suite = sealed.folder, sealed.suite
    train, kinds = suite.of_split("train"), check_registry()
    named = {
        *(f"{FIXTURES}/{fixture.source}" for one in train for fixture in one.fixtures),
        *(path for one in train for _, path in files_of_checks(one, kinds)),
        *(f"{TWINS}/{name}" for name in suite.twin_names),
    }
    files = list_suite_files(folder)
    programs = {path for one in suite.scenarios for _, path in files_of_checks(one, kinds)}
    for file in files:
        if train and file.path.startswith(f"{CHECKS}/") and file.path not in programs:
            raise InvalidSuite(
                f"the train scenarios of {suite.settings.name} cannot be sent: no check names "
                f"{file.path}, which may tell about holdouts",
                hint="write what it does into the programs that need it",
            )
    table = parse_toml(read_suite_file(folder / SUITE_FILE).decode())
    settings = {name: value for name, value in table.items() if name not in _OF_HOLDOUTS}
    yield SETTINGS, canonical_json({**settings, "edition": suite.edition}).encode(), 0o600
    for file in files:
        if file.path.startswith(_TRAIN) or _is_of(file, named):
            yield file.path, read_suite_file(file.source), 0o700 if file.is_executable else 0o600


def read_train_part(folder: Path) -> SealedSuite:
    """Read the train part of a suite, whose files were valid when the suite was sealed.

    The name of the folder is the seal of the suite, which is not verified.
    """
    table = parse_object(read_suite_file(folder / SETTINGS))
    if table is None:
        raise InvalidSuite(f"invalid {folder / SETTINGS}", hint="begin another run")
    edition = table.pop("edition", 1)
    files = [file for file in list_suite_files(folder) if file.path.startswith(_TRAIN)]
    read = [parse_toml(read_suite_file(file.source).decode()) for file in files]
    scenarios = [Scenario.model_validate({**one, "split": "train"}) for one in read]
    suite = Suite(
        settings=SuiteSettings.model_validate(table),
        scenarios=tuple(sorted(scenarios, key=lambda scenario: scenario.id)),
        edition=edition if isinstance(edition, int) else 1,
    )
    return SealedSuite(suite, folder.name, folder, canary="")


def _is_of(file: SuiteFile, named: set[str]) -> bool:
    """Return whether a file is one of those named, or lies in a folder of them."""
    return any(file.path == name or file.path.startswith(f"{name}/") for name in named)
