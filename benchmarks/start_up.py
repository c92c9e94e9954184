"""Time to start the program, compared with an empty Python program."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine import chain
from benchmarks.figures import Figure, Row, measure
from benchmarks.folders import Folders

PYTHON = sys.executable
ATTRACTOR = str(Path(sys.executable).parent / "attractor")
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
_COUNTING = str(Path(__file__).with_name("count_calls.py"))


def rows() -> Iterator[Row]:
    """Measure commands that people type often, from the first instruction to the exit."""
    with Folders() as folders:
        project = folders.new()
        (project / "attractor.toml").write_text(f"state_dir = '{folders.new()}'\n")
        written = {"named": NAMES_A_MODEL, "one": ONE_NODE, "parks": PARKS, "long": chain(1000)}
        for name, text in written.items():
            (project / f"{name}.dot").write_text(text)
        git = ["git", "-C", str(project), "-c", "user.name=b", "-c", "user.email=b@localhost"]
        for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "begin"]):
            subprocess.run([*git, *words], check=True)
        parked = [ATTRACTOR, "run", "parks.dot", *_SIMULATE, "--interviewer", "park"]
        ended = subprocess.run(parked, cwd=project, capture_output=True, timeout=60, check=False)
        if ended.returncode != NOT_FINISHED:
            raise RuntimeError(ended.stderr.decode())
        for typed in TYPED:
            yield from typed.rows(project)


@dataclass(frozen=True)
class Typed:
    """A command that people type, with bounds: its calls, its modules, and its time in floors."""

    name: str
    words: Sequence[str]
    calls: int
    modules: int
    times: float
    status: int = 0

    def rows(self, project: Path) -> Iterator[Row]:
        """Count first: no load of the machine changes calls and modules."""
        calls, modules = count_calls(self.words, project, self.status)
        name = f"attractor {self.name}"
        yield Figure(f"{name}, calls", calls, bound=self.calls)
        yield Figure(f"{name}, modules", modules, bound=self.modules)
        command, name = [ATTRACTOR, *self.words], f"{name} / python -c pass"
        folder, status = project, self.status
        yield measure(name, command, _FLOOR, bound=self.times, folder=folder, status=status)


def count_calls(words: Sequence[str], project: Path, status: int) -> tuple[int, int]:
    """Return the function calls of a command and the modules that it imports."""
    counted = project / "counted"
    command = [PYTHON, _COUNTING, str(counted), ATTRACTOR, *words]
    ended = subprocess.run(command, cwd=project, capture_output=True, timeout=120, check=False)
    if ended.returncode != status:
        raise RuntimeError(ended.stderr.decode())
    calls, modules = counted.read_text().split()
    counted.unlink()
    return int(calls), int(modules)


_SIMULATE = ["--backend", "simulate"]
TYPED = (
    Typed("--help", ["--help"], 70_000, 75, 6),
    Typed("--version", ["--version"], 41_500, 64, 5),
    Typed("validate, no model", ["validate", "one.dot"], 357_000, 354, 18),
    Typed("validate, a model named", ["validate", "named.dot"], 377_000, 358, 18),
    Typed("validate, 1,000 nodes", ["validate", "long.dot"], 781_000, 354, 26),
    # The parked run is the latest one.
    Typed("resume of a parked run", ["resume", "latest"], 667_000, 644, 41, NOT_FINISHED),
    Typed("run, one simulated node", ["run", "one.dot", *_SIMULATE], 718_000, 639, 51),
)
"""The bounds of calls and modules are a tenth above what was counted, of times a quarter or less.

`validate` was once bounded by 12 floors and `run` by 40: what is measured now is above them. Calls
and modules, which no load moves, keep both from growing further.
"""
