"""Time to start the program, compared with an empty Python program."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.figures import Row, measure
from benchmarks.folders import Folders

PYTHON = sys.executable
ATTRACTOR = str(Path(sys.executable).parent / "attractor")
LIMIT = 7
VALIDATE, RUN, RESUME = 18, 51, 45
NAMES_A_MODEL = """digraph named {
    start [shape=Mdiamond]; done [shape=Msquare]
    work [prompt="Do it", llm_model="claude-opus-4-5"]
    start -> work -> done
}
"""
ONE_NODE = """digraph one {
    start [shape=Mdiamond]; done [shape=Msquare]
    work [prompt="Do it"]
    start -> work -> done
}
"""
PARKS = """digraph parks {
    start [shape=Mdiamond]; done [shape=Msquare]
    ask [shape=hexagon, label="Ready?"]
    start -> ask
    ask -> done [label="Yes"]
}
"""
NOT_FINISHED = 3
_FLOOR = [PYTHON, "-c", "pass"]


def rows() -> Iterator[Row]:
    """Measure commands that people type often, from the first instruction to the exit."""
    for flag in ("--help", "--version"):
        yield measure(f"attractor {flag} / python -c pass", [ATTRACTOR, flag], _FLOOR, bound=LIMIT)
    with Folders() as folders:
        project = folders.new()
        (project / "attractor.toml").write_text(f"state_dir = '{folders.new()}'\n")
        for name, text in (("named", NAMES_A_MODEL), ("one", ONE_NODE), ("parks", PARKS)):
            (project / f"{name}.dot").write_text(text)
        git = ["git", "-C", str(project), "-c", "user.name=b", "-c", "user.email=b@localhost"]
        for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "begin"]):
            subprocess.run([*git, *words], check=True)
        yield from _of_project(project)


def _of_project(project: Path) -> Iterator[Row]:
    def row(name: str, words: Sequence[str], bound: float, *, status: int = 0) -> Row:
        command = [ATTRACTOR, *words]
        name = f"attractor {name} / python -c pass"
        return measure(name, command, _FLOOR, bound=bound, folder=project, status=status)

    yield row("validate, a model named", ["validate", "named.dot"], VALIDATE)
    simulate = ["--backend", "simulate"]
    yield row("run, one simulated node", ["run", "one.dot", *simulate], RUN)
    parked = [ATTRACTOR, "run", "parks.dot", *simulate, "--interviewer", "park"]
    ended = subprocess.run(parked, cwd=project, capture_output=True, timeout=60, check=False)
    if ended.returncode != NOT_FINISHED:
        raise RuntimeError(ended.stderr.decode())
    yield row("resume of a parked run", ["resume", "latest"], RESUME, status=NOT_FINISHED)
