"""Causes across runs: the failed and stopped runs of a project, grouped by their cause.

The figures come from the index, and are for information: no verdict depends on them.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import Json, canonical_json
from attractor.base.records import read_record, write_fields
from attractor.engine.outcome import Usage, usage_figures
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.factory.history.index import RunIndex
from attractor.factory.history.index_update import parse_row
from attractor.factory.history.report import without_inherited
from attractor.records.diagnosis.causes import Cause
from attractor.records.diagnosis.diagnose import read_advice
from attractor.records.diagnosis.failures import Remedy
from attractor.records.lookup import reference_of
from attractor.records.summary import RunOverview

_OF_ONE_RUN = (
    *("task", "trigger", "continues", "feedback", "builds_on", "withheld"),
    *("inputs", "goal", "file"),
)
"""The options that differ from run to run."""

_SHORT = 12


@dataclass(frozen=True)
class Difference:
    """A fact in which the first run of a cause differs from the last success before it."""

    fact: str
    before: str
    now: str


@dataclass(frozen=True)
class CauseGroup:
    """The runs of a cause, oldest first, with their own usage.

    `last_success` is the last run of the pipeline that succeeded before the first one; without one,
    `differences` is empty.
    """

    cause: Cause
    runs: Sequence[RunOverview]
    last_success: str
    differences: Sequence[Difference]

    @property
    def usage(self) -> Usage:
        """The usage of all runs."""
        return sum((run.usage for run in self.runs), Usage())

    @property
    def first(self) -> datetime:
        """The time when the first run started."""
        return self.runs[0].started

    @property
    def last(self) -> datetime:
        """The time when the last run started."""
        return self.runs[-1].started

    @property
    def latest_run(self) -> str:
        """The name of the latest run in commands."""
        root = self.runs[-1].directory
        return reference_of(root, root.parent)

    def read_advice(self, now: datetime) -> Sequence[Remedy]:
        """Return the advice about the latest run."""
        try:
            root = self.runs[-1].directory
            return read_advice(root, reference=self.latest_run, now=now)
        except AttractorError:
            # The run is reported as corrupt where it is listed.
            return ()

    def to_record(self, now: datetime) -> dict[str, Json]:
        """Return the JSON record of the group."""
        return {
            "cause": write_fields(self.cause),
            "count": len(self.runs),
            "runs": [run.run_id for run in self.runs],
            **usage_figures(self.usage),
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "advice": [write_fields(remedy) for remedy in self.read_advice(now)],
            "last_success": self.last_success,
            "differences": [write_fields(one) for one in self.differences],
        }


def read_causes(index: RunIndex, folder: Path, since: str) -> Sequence[CauseGroup]:
    """Return the causes of the runs of a folder since a time, those of the most runs first."""
    sql = (
        "SELECT cause, summary FROM runs WHERE folder = ? AND cause <> '' AND started >= ? "
        "ORDER BY directory"
    )
    found: dict[str, list[RunOverview]] = {}
    with index.reading(folder) as db:
        for cause, summary in db.execute(sql, [str(folder), since]):
            run = without_inherited(RunOverview.from_record(parse_row(summary)))
            found.setdefault(cause, []).append(run)
        groups = [_group(db, cause, runs) for cause, runs in found.items()]
    return sorted(groups, key=lambda group: (-len(group.runs), group.first))


def _group(db: sqlite3.Connection, cause: str, runs: Sequence[RunOverview]) -> CauseGroup:
    first = runs[0]
    sql = (
        "SELECT directory, models FROM runs WHERE folder = ? AND pipeline = ? AND directory < ? "
        "AND outcome IN ('success', 'partial_success') AND cause = '' "
        "ORDER BY directory DESC LIMIT 1"
    )
    values = [str(first.directory.parent), first.pipeline, str(first.directory)]
    before, differences = "", list[Difference]()
    for directory, models in db.execute(sql, values).fetchall():
        before = Path(directory).name
        [[now]] = db.execute("SELECT models FROM runs WHERE directory = ?", [str(first.directory)])
        differences = list(_differences(Path(directory), models, first.directory, now))
    return CauseGroup(read_record(Cause, parse_row(cause)), runs, before, differences)


def _differences(before: Path, models: str, now: Path, models_now: str) -> Iterator[Difference]:
    try:
        then = _facts(read_manifest(RunDirectory(before)), models)
        facts = _facts(read_manifest(RunDirectory(now)), models_now)
    except AttractorError:
        return
    for fact in dict.fromkeys([*then, *facts]):
        if (old := then.get(fact, "")) != (new := facts.get(fact, "")):
            yield Difference(fact, old, new)


def _facts(manifest: Manifest, models: str) -> Mapping[str, str]:
    """Return what may explain that one run fails and another one does not."""
    options = {
        name: value if isinstance(value, str) else canonical_json(value)
        for name, value in manifest.options.items()
        if name not in _OF_ONE_RUN
    }
    return {
        "commit": manifest.base.commit[:_SHORT],
        "pipeline": manifest.content_hash[:_SHORT],
        "models": models,
        "agents": manifest.agents[:_SHORT],
        "suite": manifest.suite,
        "profile": manifest.profile,
        "attractor": manifest.versions.get("attractor", ""),
        **options,
    }
