"""The cost of a stage in time, bytes and memory, in short and in long runs."""

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from attractor.backends.registry import BackendParts
from attractor.backends.simulate import Simulate
from attractor.base.clock import SystemClock
from attractor.base.json import Json
from attractor.engine.outcome import Outcome, success
from attractor.engine.prompts.preamble import (
    NOTHING_PAST,
    PreambleInput,
    StageNote,
    remember,
    remember_keys,
    write_preamble,
)
from attractor.engine.run_folder.layout import Manifest, create_run_directory
from attractor.engine.run_folder.open_run import open_run
from attractor.engine.runner import Runner
from attractor.engine.seams import Handler, Parts, Stage
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.handlers.registry import handler_registry
from attractor.interviewers.auto_approve import AutoApprove
from attractor.interviewers.registry import InterviewerParts
from attractor.language import prepare
from attractor.language.graph.graph import Fidelity, Graph
from benchmarks.figures import Figure, Row, measure
from benchmarks.folders import Folders

ROUNDS = 5
SMALL, MIDDLE, LARGE = 100, 1_000, 10_000
GROWTH = {MIDDLE: 1.2, LARGE: 1.5}
FLOOR = 6
PREAMBLE_BYTES, PREAMBLE_TIME = 1.1, 1.2
MEGABYTES = 3
BRANCHES, BRANCH_S = 100, 0.1
TOGETHER = 2.0
RESUME = 50
MEMORY_MB = 120
ATTRACTOR = str(Path(sys.executable).parent / "attractor")
PYTHON = sys.executable


def rows() -> Iterator[Row]:
    """Measure all of these costs."""
    with Folders() as folders:
        yield from _growth(folders)
        yield _bytes(folders)
        yield _floor(folders)
        yield from _preamble(folders)
        yield _together(folders)
        yield _resume(folders.new())
    yield _memory()


def chain(nodes: int) -> str:
    """Return the text of a pipeline with a number of stages in a line."""
    names = ["start", *(f"n{number}" for number in range(nodes)), "exit"]
    lines = [
        f'    n{number} [label="Stage {number}", prompt="Do {number}"]' for number in range(nodes)
    ]
    ends = ["    start [shape=Mdiamond]", "    exit [shape=Msquare]"]
    ways = [f"    {one} -> {other}" for one, other in zip(names, names[1:], strict=False)]
    return "\n".join(["digraph chain {", *ends, *lines, *ways, "}"])


def fan(branches: int) -> str:
    """Return the text of a pipeline with a number of parallel branches."""
    names = [f"b{number}" for number in range(branches)]
    lines = [f'    {name} [prompt="Wait"]\n    fork -> {name} -> meet' for name in names]
    ends = "    start [shape=Mdiamond]; exit [shape=Msquare]; meet [shape=tripleoctagon]"
    fork = f"    fork [shape=component, max_parallel={branches}]"
    return "\n".join(
        ["digraph fan {", ends, fork, "    start -> fork", *lines, "    meet -> exit", "}"]
    )


class Waiting:
    """A handler that waits, and counts its calls."""

    def __init__(self) -> None:
        self.executed: Counter[str] = Counter()

    async def execute(self, stage: Stage) -> Outcome:
        """Wait."""
        self.executed[stage.node.id] += 1
        await asyncio.sleep(BRANCH_S)
        return success()


def graph_of(text: str) -> Graph:
    """Return the graph of a text without mistakes."""
    graph = prepare(text).graph
    assert graph is not None
    return graph


def handlers() -> dict[str, Handler]:
    """Return all handlers, with a backend that succeeds at once."""
    person = AutoApprove(InterviewerParts(input=sys.stdin, output=sys.stderr))
    parts = Parts(Simulate(BackendParts()), person)
    return {name: kind(parts) for name, kind in handler_registry().items()}


def run(root: Path, graph: Graph, with_: Mapping[str, Handler]) -> float:
    """Run a graph durably in a new directory; return the seconds it took."""
    manifest = Manifest(
        run_id=root.name, pipeline="p", goal="", started=datetime.now(UTC), content_hash=""
    )
    create_run_directory(root, manifest, "digraph G {}\n")
    began = time.perf_counter()
    with open_run(root, clock=SystemClock(), before_end=None) as opened:
        result = asyncio.run(Runner(graph, opened, handlers=with_, workspace=NoWorkspace()).run())
    assert str(result.outcome) == "success", result.reason
    return time.perf_counter() - began


def _growth(folders: Folders) -> Iterator[Figure]:
    """Compare the cost of a stage in long runs and in short ones, in turn."""
    ours = handlers()
    graphs = {nodes: graph_of(chain(nodes)) for nodes in (SMALL, MIDDLE, LARGE)}
    costs: dict[int, list[float]] = {}
    for nodes in (*(SMALL, SMALL, SMALL, MIDDLE) * 4, LARGE):
        taken = run(folders.new() / "run", graphs[nodes], ours)
        costs.setdefault(nodes, []).append(taken / nodes)
    least = statistics.median(costs[SMALL])
    for nodes, bound in GROWTH.items():
        pair = least, statistics.median(costs[nodes])
        yield Figure.paired(f"a node of {nodes:,} / a node of {SMALL}", [pair], bound)


def _bytes(folders: Folders) -> Figure:
    folder = folders.new()
    run(folder / "run", graph_of(chain(MIDDLE)), handlers())
    written = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
    return Figure(f"a run of {MIDDLE:,} nodes, written", written / 1e6, MEGABYTES, "MB")


def _preamble(folders: Folders) -> Iterator[Figure]:
    """Compare the preamble of a late stage with that of an early one, in bytes and in time."""
    root = folders.new() / "run"
    run(root, graph_of(chain(MIDDLE)), handlers())
    late, early = (
        (root / f"n{nodes - 1}" / "prompt.md").stat().st_size for nodes in (MIDDLE, SMALL)
    )
    long, short = _preamble_input(MIDDLE), _preamble_input(SMALL)
    pairs = [(_preamble_seconds(short), _preamble_seconds(long)) for _ in range(2 * ROUNDS + 1)]
    name = f"compact preamble at {MIDDLE:,} stages / at {SMALL}"
    yield Figure.paired(f"{name}, size", [(early, late)], PREAMBLE_BYTES, "bytes")
    yield Figure.paired(f"{name}, time", pairs, PREAMBLE_TIME)


def _preamble_input(stages: int) -> PreambleInput:
    """Return the preamble after a number of stages, each with a context value."""
    past, context = NOTHING_PAST, dict[str, Json]()
    for number in range(stages):
        past = remember_keys(past, [f"value{number}"], context)
        past = remember(past, StageNote(f"n{number}", 1, "success", "some words " * 20))
        context[f"value{number}"] = "some words " * 20
    return PreambleInput("The goal", "the run", past, context)


def _preamble_seconds(remembered: PreambleInput) -> float:
    began, times = time.perf_counter(), 100
    for _ in range(times):
        write_preamble(Fidelity.COMPACT, remembered)
    return (time.perf_counter() - began) / times


def _floor(folders: Folders) -> Figure:
    """Compare a stage with a directory, three small files and one synced line, in small rounds."""
    graph, ours, nodes = graph_of(chain(SMALL)), handlers(), SMALL
    pairs = [
        (
            _least(folders.new() / "run", nodes) / nodes,
            run(folders.new() / "run", graph, ours) / nodes,
        )
        for _ in range(2 * ROUNDS + 1)
    ]
    return Figure.paired("a node / a directory, 3 files, a synced line", pairs, FLOOR)


def _least(root: Path, nodes: int) -> float:
    root.mkdir()
    began = time.perf_counter()
    journal = os.open(root / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in range(nodes):
        stage = root / f"n{number}"
        stage.mkdir()
        for name in ("prompt.md", "response.md", "status.json"):
            (stage / name).write_text("a few words\n" * 10)
        os.write(journal, b"x" * 1000 + b"\n")
        os.fsync(journal)
    os.close(journal)
    return time.perf_counter() - began


def _together(folders: Folders) -> Figure:
    """Measure parallel branches that wait, from the first start to the last end."""
    graph = graph_of(fan(BRANCHES))
    pairs: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        waiting = Waiting()
        ours = {**handlers(), "codergen": waiting}
        pairs.append((BRANCH_S, run(folders.new() / "run", graph, ours)))
        assert set(waiting.executed.values()) == {1}
        assert len(waiting.executed) == BRANCHES
    return Figure.paired(f"{BRANCHES} branches at a time / one branch", pairs, TOGETHER)


def _resume(project: Path) -> Figure:
    """Measure `attractor resume` of a run at node 900 of 1,000 with one stage left."""
    text = chain(MIDDLE).replace('prompt="Do 900"', 'shape=hexagon, prompt="Go on?"')
    (project / "pipeline.dot").write_text(text)
    words = ["--backend", "simulate", "--sandbox", "none", "--workspace", "none"]
    parked = [*words, "--interviewer", "park", "--no-evaluate"]
    subprocess.run(
        [ATTRACTOR, "run", "pipeline.dot", *parked],
        cwd=project,
        env={**os.environ, **_folders(project)},
        capture_output=True,
        timeout=300,
        check=False,
    )
    variables = " ".join(f"{name}={value}" for name, value in _folders(project).items())
    resume = f"{variables} {ATTRACTOR} resume latest --no-evaluate"
    script = f"cd {project} && {resume} || [ $? = 3 ]"
    return measure(
        "attractor resume at node 900 / python -c pass",
        ["sh", "-c", script],
        [PYTHON, "-c", "pass"],
        bound=RESUME,
        rounds=7,
    )


def _folders(project: Path) -> dict[str, str]:
    return {
        "ATTRACTOR_STATE_DIR": str(project / "state"),
        "ATTRACTOR_WORKSPACES_DIR": str(project / "workspaces"),
    }


def _memory() -> Figure:
    """Measure the peak memory of a run of many nodes, in a process of its own."""
    program = (
        "import sys, tempfile; from pathlib import Path; from benchmarks import engine;\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        f"    engine.run(Path(folder) / 'run', engine.graph_of(engine.chain({LARGE})), "
        "engine.handlers())\n"
        "print(engine.peak_mb())"
    )
    done = subprocess.run(
        [PYTHON, "-c", program], capture_output=True, text=True, timeout=600, check=True
    )
    return Figure(f"a run of {LARGE:,} nodes, memory", float(done.stdout), MEMORY_MB, "MB")


def peak_mb() -> float:
    """Return the most memory this process took, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
