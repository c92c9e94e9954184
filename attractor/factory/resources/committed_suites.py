"""Suites in the folders of a project that its ledger does not know, as in a new clone."""

from contextlib import suppress
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.toml import InvalidToml, parse_toml
from attractor.factory.resources.versions import split_reference
from attractor.scenarios.suite_files import SUITE_FILE

_SUITES = "scenarios"


@dataclass(frozen=True)
class SuiteFolder:
    """The folder of a suite, and the name of the pipeline that the suite is for."""

    path: Path
    pipeline: str


def find_suite_folder(name: str, project: Path) -> SuiteFolder | None:
    """Return the folder below `scenarios/` of the suite with this name, or None."""
    for file in sorted((project / _SUITES).rglob(SUITE_FILE)):
        # An invalid file is the concern of `suite lint`.
        with suppress(OSError, UnicodeDecodeError, InvalidToml):
            settings = parse_toml(file.read_text("utf-8"))
            if settings.get("name") == name:
                pipeline, _ = split_reference(str(settings.get("pipeline", "")))
                return SuiteFolder(file.parent, pipeline)
    return None
