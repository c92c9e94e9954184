"""Finds runs by what people call them, and says where each one stands."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from attractor.base.canonical import Json
from attractor.base.errors import UnknownName, UsageError
from attractor.engine.documents import read_document
from attractor.engine.run_directory import RunDirectory, read_manifest

LATEST = "latest"


@dataclass(frozen=True)
class RunSummary:
    """A run in one line: which, since when, where it stands and why."""

    run_id: str
    directory: Path
    pipeline: str
    goal: str
    started: datetime
    status: str = "queued"
    phase: str = ""
    outcome: str = ""
    reason: str = ""
    next_node: str = ""
    question: Json = None

    def to_record(self) -> dict[str, Json]:
        """Return it for a program."""
        return {
            "run_id": self.run_id,
            "directory": str(self.directory),
            "pipeline": self.pipeline,
            "goal": self.goal,
            "started": self.started.isoformat(),
            "status": self.status,
            "phase": self.phase,
            "outcome": self.outcome,
            "reason": self.reason,
            "next_node": self.next_node,
            "question": self.question,
        }


def list_runs(runs_dir: Path) -> list[RunSummary]:
    """Return every run of a folder, the newest first."""
    return [summarize(folder) for folder in _folders(runs_dir)]


def find_run(reference: str, runs_dir: Path) -> Path:
    """Return the directory of a run: by its id, a beginning of it, its directory, or `latest`."""
    if (Path(reference) / "manifest.json").is_file():
        return Path(reference).absolute()
    folders = _folders(runs_dir)
    if reference == LATEST:
        if not folders:
            raise UsageError(f"there is no run in {runs_dir}", hint="start one: attractor run FILE")
        return folders[0]
    begins = [one for one in folders if reference and one.name.startswith(reference.upper())]
    if len(begins) > 1:
        names = ", ".join(one.name for one in begins[:5])
        raise UsageError(f"{len(begins)} runs begin with {reference!r}", hint=f"such as {names}")
    if not begins:
        raise UnknownName("run", reference, [LATEST, *(one.name for one in folders)])
    return begins[0]


def summarize(root: Path) -> RunSummary:
    """Read where a run stands from what its runner wrote last."""
    directory = RunDirectory(root)
    manifest = read_manifest(directory)
    queued = RunSummary(
        run_id=manifest.run_id,
        directory=root,
        pipeline=manifest.pipeline,
        goal=manifest.goal,
        started=manifest.started,
    )
    if not directory.run.exists():
        return queued
    fields = read_document(directory.run)
    return replace(
        queued,
        status=fields.text("status"),
        phase=fields.text("phase"),
        outcome=fields.text("outcome"),
        reason=fields.text("reason"),
        next_node=fields.text("next_node"),
        question=fields.members("question") if fields.has("question") else None,
    )


def _folders(runs_dir: Path) -> list[Path]:
    # Run ids sort by time.
    manifests = sorted(runs_dir.glob("*/manifest.json"), reverse=True)
    return [manifest.parent for manifest in manifests]
