"""Runs pipelines with a clock that stands still, and reads the records that they leave."""

import asyncio
import json
import re
import shutil
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

from attractor import Context, Node
from attractor.backends.registry import adapt_backend
from attractor.base.clock import SystemClock
from attractor.engine.run_folder.result import RunResult
from attractor.factory.decisions.run_end import record_end
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.fork import fork_run
from attractor.factory.operations.resume import resume_run
from attractor.factory.operations.start import start_run
from attractor.factory.resources.profiles import make_profile
from attractor.pipeline.orders import Orders
from attractor.pipeline.plan.fork_point import ForkPoint
from attractor.pipeline.project.custom_parts import CustomParts
from attractor.pipeline.project.project import Project
from attractor.records.request import Overrides, RunRequest
from tests.factory.flows import Flow
from tests.factory.resources.stores import register
from tests.golden_runs.golden import MADE_IN, PROJECT
from tests.patience import PATIENCE_S
from tests.pipeline.projects import adjusted, git, open_project
from tests.repositories import begin_repository

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class FixedClock(SystemClock):
    """A clock that stands still; retries begin soon, and a manager is not woken."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, duration: timedelta) -> None:
        await asyncio.sleep(0.005 if duration < timedelta(seconds=30) else 3600)


@dataclass
class Workshop:
    """A project, and the actions of the commands on its runs."""

    folder: Path
    variables: Mapping[str, str]
    backend: "Backend | None" = None
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        shutil.copytree(PROJECT, self.project)
        (self.project / ".gitignore").write_text("/runs\n")
        begin_repository(self.project)
        self.commit("Begin")

    @property
    def project(self) -> Path:
        return self.folder / "project"

    def commit(self, words: str) -> None:
        git(self.project, "add", "--all")
        git(self.project, "commit", "--quiet", "--message", words)

    @property
    def opened(self) -> Project:
        """The opened of all actions."""
        parts = CustomParts(backend=adapt_backend(self.backend)) if self.backend else CustomParts()
        opened = open_project(self.project)
        environ = {**opened.machine.environ, **self.variables}
        return adjusted(
            opened, environ=environ, clock=FixedClock(), randomness=self.random, parts=parts
        )

    def random(self, size: int) -> bytes:
        """Return the next number, so that later runs have greater ids."""
        return next(self.numbers).to_bytes(2).ljust(size, b"\0")[:size]

    def run(self, pipeline: str, **options: object) -> RunResult:
        """Run a pipeline until the run ends or waits."""
        outcomes = self.project / "pipelines" / f"{pipeline}.json"
        request = RunRequest(
            file=self.project / "pipelines" / f"{pipeline}.dot",
            backend="handed in" if self.backend else "simulate",
            model="claude-opus-5-5",
            sandbox="none",
            interviewer="park",
            outcomes=json.loads(outcomes.read_text()) if outcomes.exists() else None,
        )
        return wait(start_run(replace(request, **options), OpenProject(self.opened)))

    def resume(self, run: RunResult, **overrides: object) -> RunResult:
        return wait(
            resume_run(run.directory, OpenProject(self.opened), replace(Overrides(), **overrides))
        )

    def orders(self, run: RunResult) -> Orders:
        opened = self.opened
        end, names = (
            partial(record_end, OpenProject(opened)),
            (opened.machine.clock, opened.machine.randomness, opened.redactor),
        )
        return Orders(run.directory, "ann", *names, end, opened.runs_dir)

    def fork(
        self, run: RunResult, at: str, *, graph: Path | None = None, ends_other: bool = False
    ) -> RunResult:
        async def end_other(point: ForkPoint) -> None:
            await self.orders(run).end_and_wait("rewound")

        ending = end_other if ends_other else None
        return wait(
            fork_run(run.directory, at, OpenProject(self.opened), graph=graph, end_other=ending)
        )

    def change(self, pipeline: str, old: str, new: str) -> Path:
        """Change a pipeline, and return its file."""
        file = self.project / "pipelines" / f"{pipeline}.dot"
        file.write_text(file.read_text().replace(old, new))
        return file

    def register_suite(self) -> None:
        """Register the suite and a profile, unless they are."""
        stores = self.flow.opened
        if not stores.suites.versions.names():
            register(stores.suites, self.project / "scenarios" / "project", now=NOW)
            profile = make_profile("lenient", ("isolation_unverified",))
            stores.profiles.create(profile, by="ann", now=NOW)

    @property
    def flow(self) -> Flow:
        """The decisions on the runs."""
        return Flow(self.project, OpenProject(self.opened))


def wait(work: Awaitable[RunResult]) -> RunResult:
    async def until_done() -> RunResult:
        return await asyncio.wait_for(work, PATIENCE_S)

    return asyncio.run(until_done())


@dataclass
class Backend:
    """A backend that copies all files at a node, as a run leaves them that is killed there."""

    workshop: Path
    node: str

    @property
    def copy(self) -> Path:
        return self.workshop.with_name("copy")

    def run(self, node: Node, prompt: str, context: Context) -> str:
        if node.id == self.node and not self.copy.exists():
            shutil.copytree(self.workshop, self.copy, symlinks=True)
        return f"done: {node.id}"

    def kill(self) -> None:
        """Restore the files as they were when the run reached the node."""
        shutil.rmtree(self.workshop)
        self.copy.rename(self.workshop)
        self.copy.mkdir()


def read_left(folder: Path) -> Mapping[str, str]:
    """Return the records that runs left, evened, and the list of their files."""
    runs = folder / "project" / "runs"
    left = {
        str(one.relative_to(runs)): one
        for one in sorted(runs.rglob("*"))
        # The last output of a command that still works is there only if somebody looks in time.
        if one.is_file() and one.suffix not in (".holder", ".lock") and one.name != "tail.txt"
    }
    found = {
        name: one.read_text()
        for name, one in {**left, "ledger.jsonl": folder / "state" / "ledger.jsonl"}.items()
        if one.suffix in (".json", ".jsonl", ".md", ".patch", ".txt") and one.exists()
    }
    found["files"] = "\n".join(left)
    return {name: evened(folder, by_branch(name, text)) for name, text in found.items()}


def by_branch(name: str, text: str) -> str:
    """Return the events of the main walk, then of each branch: branches work at the same time."""
    if name.endswith(".json"):
        return json.dumps(json.loads(text), indent=1)
    lines = text.splitlines()
    if name.endswith("events.jsonl"):
        lines.sort(key=lambda line: json.loads(line).get("branch") or "")
    return "\n".join(lines)


def evened(folder: Path, text: str) -> str:
    """Replace what differs each time: paths, and what is measured, sealed or chained.

    Prompts name the folder and the machine, so that the number of their tokens differs.
    """
    text = text.replace(str(folder), MADE_IN)
    for pattern, evened in EVENED:
        text = re.sub(pattern, evened, text)
    return text


SEALED = (
    "hash|prev|seal|manifest|journal_head|scenario|checkpoint|decision|evaluations|"
    "commit|base_commit|base"
)
EVENED = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (rf'"({SEALED})": ?(\[?)"[0-9a-f]+"', r'"\1":\2"HASH"'),
    (r'"(seq|saved|offset|\w*seconds|duration|duration_ms|pid|spent)": ?[0-9.e-]+', r'"\1":0'),
    (r'"processor_ms": ?\d+,\s*', ""),
    (r'"(input|cache_read|cache_write|estimated)_tokens": ?\d+,\s*', ""),
    (r',\s*"(input|cache_read|cache_write|estimated)_tokens": ?\d+', ""),
    (r"exhausted: \d+", "exhausted: N"),
    (r'"cost_usd": ?[0-9.]*[1-9][0-9.]*', '"cost_usd":1'),
    (r"\b(msg|toolu)_[0-9a-f]+", r"\1"),
    (r"\b\d+ ms\]", "0 ms]"),
    (r"(?!2026-01-01T00:00:00)\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)", "TIME"),
)
