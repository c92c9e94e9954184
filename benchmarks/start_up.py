"""Function calls, modules and time of commands, the time compared with an empty Python program.

Calls and modules may only fall: `tests/start_up.toml` keeps them, and tests/test_start_up.py fails
if one rises by a tenth. To raise a number, edit its line, and give the reason in a comment after
it. `python -m benchmarks.start_up` prints them; with `--write`, it lowers those that are kept.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

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


ROOT = Path(__file__).parent.parent
KEPT = "tests/start_up.toml"
ROOM = 1.1


class Counts(NamedTuple):
    """What a command costs, whatever the load of the machine."""

    calls: int
    modules: int

    def line(self, name: str) -> str:
        """Return the line of the kept numbers."""
        return f'"{name}" = {{ calls = {self.calls}, modules = {self.modules} }}'


def rows() -> Iterator[Row]:
    """Measure commands that people type often, from the first instruction to the exit."""
    kept = read_kept((ROOT / KEPT).read_text("utf-8"))
    with Folders() as folders:
        project = folders.new()
        prepare(project, folders.new())
        for typed in TYPED:
            _, bound, _ = kept[typed.name]
            counts, name = count(typed, project), f"attractor {typed.name}"
            yield Figure(f"{name}, calls", counts.calls, bound=bound.calls * ROOM)
            yield Figure(f"{name}, modules", counts.modules, bound=bound.modules * ROOM)
            if typed.times:
                yield measure(
                    f"{name} / python -c pass",
                    [ATTRACTOR, *typed.words],
                    _FLOOR,
                    bound=typed.times,
                    folder=project,
                    status=typed.status,
                )


def prepare(project: Path, state: Path) -> None:
    """Write a project with pipelines and a parked run."""
    (project / "attractor.toml").write_text(f"state_dir = '{state}'\n")
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


@dataclass(frozen=True)
class Typed:
    """A command that people type; `times` bounds its time in floors (0: it is not timed)."""

    name: str
    words: Sequence[str]
    times: float = 0
    status: int = 0


def count(typed: Typed, project: Path) -> Counts:
    """Return the function calls of a command and the modules that it imports."""
    counted = project / "counted"
    command = [PYTHON, _COUNTING, str(counted), ATTRACTOR, *typed.words]
    ended = subprocess.run(command, cwd=project, capture_output=True, timeout=120, check=False)
    if ended.returncode != typed.status:
        raise RuntimeError(f"{typed.name}: {ended.stdout.decode()}{ended.stderr.decode()}")
    calls, modules = counted.read_text().split()
    counted.unlink()
    return Counts(int(calls), int(modules))


def count_all(folder: Path) -> Mapping[str, Counts]:
    """Return what each command costs in a new project."""
    project = folder / "project"
    project.mkdir()
    prepare(project, folder / "state")
    return {typed.name: count(typed, project) for typed in TYPED}


def read_kept(text: str) -> dict[str, tuple[int, Counts, str]]:
    """Return the line, the numbers and the comment of each kept command."""
    form = r'"(.+)" = \{ calls = (\d+), modules = (\d+) \}(.*)'
    found = ((at, re.fullmatch(form, line)) for at, line in enumerate(text.splitlines(), 1))
    return {
        line[1]: (at, Counts(int(line[2]), int(line[3])), line[4]) for at, line in found if line
    }


def compare(measured: Mapping[str, Counts], kept: str) -> list[str]:
    """Return a complaint for each number that rose by a tenth, with the line to edit."""
    known, complaints = read_kept(kept), list[str]()
    for name, counts in measured.items():
        if name not in known:
            complaints.append(f"{KEPT}: add the line {counts.line(name)}")
            continue
        at, before, _ = known[name]
        rises = [
            f"{kind} from {bound} to {now}"
            for kind, now, bound in zip(Counts._fields, counts, before, strict=True)
            if now > bound * ROOM
        ]
        if rises:
            complaints.append(
                f"{KEPT}:{at}: 'attractor {name}' rose in {', '.join(rises)}: import less, or "
                f"write here: {counts.line(name)}  # REASON"
            )
    return complaints


def lower(measured: Mapping[str, Counts], kept: str) -> str:
    """Return the text with lower numbers and new commands; no number rises."""
    known, lines = read_kept(kept), kept.splitlines()
    for name, counts in measured.items():
        if name in known:
            at, before, comment = known[name]
            lines[at - 1] = Counts(*map(min, counts, before)).line(name) + comment
        else:
            lines.append(counts.line(name))
    return "\n".join(lines) + "\n"


_SIMULATE = ["--backend", "simulate"]
TYPED = (
    Typed("--help", ["--help"], 6),
    Typed("(no command)", []),
    Typed("--version", ["--version"], 5),
    Typed("validate, no model", ["validate", "one.dot"], 18),
    Typed("validate, a model named", ["validate", "named.dot"], 18),
    Typed("validate, 1,000 nodes", ["validate", "long.dot"], 26),
    # The parked run is the latest one.
    Typed("resume of a parked run", ["resume", "latest"], 41, NOT_FINISHED),
    Typed("status", ["status", "latest"]),
    Typed("gate", ["gate", "latest"], status=5),
    Typed("attention", ["attention"]),
    Typed("runs", ["runs"]),
    Typed("actor list", ["actor", "list"]),
    Typed("dimension list", ["dimension", "list"]),
    Typed("message list", ["message", "list", "nobody"], status=2),
    Typed("suite list", ["suite", "list"]),
    Typed("run, one simulated node", ["run", "one.dot", *_SIMULATE], 51),
)
"""The bounds of times are a quarter or less above what was measured.

`validate` was once bounded by 12 floors and `run` by 40: what is measured now is above them.
"""


def main() -> None:
    """Print the numbers, or lower those that are kept."""
    file = ROOT / KEPT
    with TemporaryDirectory() as folder:
        measured = count_all(Path(folder))
    if sys.argv[1:] == ["--write"]:
        file.write_text(lower(measured, file.read_text("utf-8")), "utf-8")
    for name, counts in measured.items():
        print(counts.line(name))


if __name__ == "__main__":
    main()
