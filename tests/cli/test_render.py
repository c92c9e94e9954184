"""`attractor render` draws a pipeline or a run, in every format."""

import json
import os
import pty
import queue
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.running import ATTRACTOR, NO_HOME, attractor
from tests.language.pipelines import BRANCH
from tests.needs import needs_graphviz
from tests.patience import PATIENCE_S
from tests.prepared import begin_prepared

PROMPTED = """digraph P {
    start [shape=Mdiamond]; exit [shape=Msquare]
    plan [prompt="@plan.md"]
    start -> plan -> exit
}"""
GATED = """digraph Gated {
    rankdir=LR; label="A gate"
    start [shape=Mdiamond]; exit [shape=Msquare]
    make [shape=parallelogram, tool_command="true"]
    ask [shape=hexagon, label="Fine?"]
    start -> make -> ask
    ask -> exit [label="[Y] Yes"]
    ask -> make [label="[N] No"]
}"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "branch.dot").write_text(BRANCH)
    (tmp_path / "broken.dot").write_text("digraph G { a -- b }")
    (tmp_path / "prompted.dot").write_text(PROMPTED)
    (tmp_path / "plan.md").write_text("Think it over")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("out.svg", b"<svg"),
        pytest.param("out.PNG", b"\x89PNG", marks=needs_graphviz),
        pytest.param("out.pdf", b"%PDF", marks=needs_graphviz),
        ("out.gv", b'digraph "Branch" {'),
        ("out.mmd", b"---\ntitle"),
        ("out.json", b"{"),
        ("out", b"<svg"),
    ],
)
def test_file_extension_selects_the_format(folder: Path, name: str, start: bytes) -> None:
    assert attractor("render", "branch.dot", "-o", name, folder=folder).returncode == 0
    assert (folder / name).read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["branch.dot", "-o", "x.jpeg"], "unknown file extension .jpeg"),
        (["branch.dot", "-o", "branch.dot"], "would overwrite branch.dot"),
        (["branch.dot", "-o", "./branch.dot", "--format", "svg"], "would overwrite"),
        (["branch.dot", "--watch"], "--watch requires a file and --output"),
        (["-", "--watch", "-o", "x.svg"], "--watch requires a file and --output"),
        (
            ["branch.dot", "-o", "x.svg", "--format", "png"],
            "x.svg has the extension .svg, but the format is",
        ),
        (["nothing.dot"], "cannot read nothing.dot"),
        (["nothing"], "nothing"),
    ],
)
def test_invalid_options_are_refused(folder: Path, words: list[str], said: str) -> None:
    result = attractor("render", *words, folder=folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert (folder / "branch.dot").read_text() == BRANCH


def test_json_and_an_output_file_write_the_file_and_print_one_value(folder: Path) -> None:
    words = ["render", "branch.dot", "--json"]
    result = attractor(*words, "-o", "x.svg", folder=folder)
    assert json.loads(result.stdout) == json.loads(attractor(*words, folder=folder).stdout)
    assert (folder / "x.svg").read_bytes().startswith(b"<svg")
    refused = attractor(*words, "-o", "x.jpeg", folder=folder)
    assert json.loads(refused.stdout)["error"]["message"].startswith("unknown file extension")
    assert not (folder / "x.jpeg").exists()
    watched = attractor(*words, "-o", "x.svg", "--watch", folder=folder)
    assert (watched.returncode, "--watch cannot be combined" in watched.stderr) == (2, True)


@needs_graphviz
def test_binary_drawing_goes_to_a_pipe_but_not_to_a_terminal(folder: Path) -> None:
    words = [ATTRACTOR, "render", "branch.dot", "--format", "png"]
    piped = subprocess.run(words, cwd=folder, capture_output=True, timeout=PATIENCE_S, check=True)
    assert piped.stdout.startswith(b"\x89PNG")
    ours, theirs = pty.openpty()
    try:
        shown = subprocess.run(
            words,
            cwd=folder,
            stdout=theirs,
            stderr=subprocess.PIPE,
            timeout=PATIENCE_S,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert shown.returncode == 2
    assert b"cannot print PNG to a terminal (write it to a file: -o OUT.png)" in shown.stderr


def test_standard_input_and_themes(folder: Path) -> None:
    drawn = attractor("render", "-", "--format", "mermaid", folder=folder, typed=BRANCH)
    assert drawn.returncode == 0
    assert 'n_gate{"decision<br/>Tests passing?"}' in drawn.stdout
    auto, light, dark = (
        attractor("render", "branch.dot", "--theme", one, folder=folder).stdout
        for one in ("auto", "light", "dark")
    )
    assert "prefers-color-scheme" in auto
    assert "prefers-color-scheme" not in light + dark
    assert 'fill="#0d1117"' in dark
    assert 'fill="#0d1117"' not in light
    result = attractor("render", "branch.dot", "-o", "no/out.svg", folder=folder)
    assert result.returncode == 3
    assert "no" in result.stderr
    result = attractor("render", "branch.dot", folder=folder, variables={"PATH": str(folder)})
    assert (result.returncode, result.stderr) == (0, "")
    assert "Tests passing?" in result.stdout
    result = attractor("render", "broken.dot", folder=folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert "broken.dot:1:15: error[syntax]: invalid edge '--'" in result.stderr


@pytest.mark.parametrize("flags", [["--json"], ["--format", "json"]])
def test_json_contains_nodes_and_edges_with_defaults(folder: Path, flags: list[str]) -> None:
    result = attractor("render", "branch.dot", *flags, folder=folder)
    record = json.loads(result.stdout)
    assert (record["name"], record["attributes"]["rankdir"]) == ("Branch", "LR")
    plan = next(node for node in record["nodes"] if node["id"] == "plan")
    assert plan == {
        "id": "plan",
        "label": "Plan",
        "shape": "box",
        "type": "codergen",
        "classes": [],
        "attributes": {
            "shape": "box",
            "timeout": "900s",
            "label": "Plan",
            "prompt": "Plan the implementation",
        },
    }
    assert record["edges"][-1] == {
        "from": "gate",
        "to": "implement",
        "label": "No",
        "condition": "outcome!=success",
        "weight": 0,
        "attributes": {"label": "No", "condition": "outcome!=success"},
    }


def test_prompt_file_is_drawn_and_a_missing_one_reported(folder: Path) -> None:
    assert "Think it over" in attractor("render", "prompted.dot", folder=folder).stdout
    (folder / "plan.md").unlink()
    result = attractor("render", "prompted.dot", folder=folder)
    assert result.returncode == 0
    assert "plan.md" in result.stderr
    assert result.stdout.startswith("<svg")


def run_gated(folder: Path) -> None:
    """Run a pipeline until it waits for a person."""
    (folder / "gated.dot").write_text(GATED)
    words = ("--interviewer", "park", "--workspace", "none", "--sandbox", "none")
    home = {"HOME": str(folder / "home")}
    ran = attractor("run", "gated.dot", *words, folder=folder, variables=home)
    assert ran.returncode == 3, ran.stderr


def test_a_run_is_drawn_with_its_states(tmp_path: Path) -> None:
    run_gated(tmp_path)
    home = {"HOME": str(tmp_path / "home")}
    run_id = next((tmp_path / "runs").glob("*/manifest.json")).parent.name
    for name in ("latest", run_id, run_id[:12].lower(), f"runs/{run_id}"):
        drawn = attractor("render", name, folder=tmp_path, variables=home)
        assert (drawn.returncode, drawn.stderr) == (0, "")
        assert f"run {run_id} · awaiting human" in drawn.stdout
        assert 'id="node-make" class="node type-tool state-done"' in drawn.stdout
        assert 'id="node-ask" class="node type-wait-human state-waiting current"' in drawn.stdout
        assert 'id="node-exit" class="node type-exit state-unreached"' in drawn.stdout
        assert 'id="edge-start-make" class="edge state-taken"' in drawn.stdout
    record = json.loads(
        attractor("render", "latest", "--json", folder=tmp_path, variables=home).stdout
    )
    assert record["run"]["current"] == "ask"
    assert record["run"]["nodes"]["make"]["state"] == "done"


class Watching:
    """A running `attractor render --watch`, which prints a line after each action."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.process = begin_prepared(
            ["render", *words, "--watch"],
            folder=folder,
            variables={"PATH": os.environ["PATH"], "HOME": str(NO_HOME), "LANG": "C.UTF-8"},
            stderr=subprocess.PIPE,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def until(self, is_reached: Callable[[str], bool]) -> str:
        """Return the output up to the line after which a condition holds."""
        said = ""
        while not is_reached(said):
            said += self._lines.get(timeout=PATIENCE_S)
        return said

    def until_drawn(self, file: Path, text: str) -> None:
        """Wait until the drawing contains a text."""
        self.until(lambda said: file.exists() and text in file.read_text())

    def stop(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit code, and the output after it."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=PATIENCE_S)
        self._reader.join(timeout=PATIENCE_S)
        said = [self._lines.get_nowait() for _ in range(self._lines.qsize())]
        return code, "".join(said)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(timeout=PATIENCE_S)
        self._reader.join(timeout=PATIENCE_S)
        assert self.process.stderr
        self.process.stderr.close()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._lines.put(line)


def test_watching_draws_again_and_keeps_the_last_good_drawing(folder: Path) -> None:
    file, out = folder / "prompted.dot", folder / "out.svg"
    with closing(Watching(folder, "prompted.dot", "-o", "out.svg")) as watching:
        watching.until_drawn(out, "Think it over")
        (folder / "plan.md").write_text("Think twice")
        watching.until_drawn(out, "Think twice")
        file.write_text(PROMPTED.replace("->", "--"))
        broken = "prompted.dot:4:11: error[syntax]: invalid edge '--'"
        watching.until(lambda said: broken in said and "^^" in said)
        assert "Think twice" in out.read_text()
        other = folder / "other"
        other.write_text(PROMPTED.replace("plan [", 'plan [label="Mended", '))
        other.replace(file)
        watching.until_drawn(out, "Mended")
        assert watching.stop() == (130, "")


def test_watching_follows_a_run(tmp_path: Path) -> None:
    run_gated(tmp_path)
    home = {"HOME": str(tmp_path / "home")}
    (run,) = (one.parent for one in (tmp_path / "runs").glob("*/manifest.json"))
    out = tmp_path / "run.svg"
    with closing(Watching(tmp_path, str(run), "-o", "run.svg")) as watching:
        watching.until_drawn(
            out, 'id="node-ask" class="node type-wait-human state-waiting current"'
        )
        assert 'class="node type-exit state-unreached"' in out.read_text()
        before = (run / "checkpoint.json").read_bytes()
        answer = ("resume", str(run), "--interviewer", "auto_approve")
        resumed = attractor(*answer, folder=tmp_path, variables=home)
        assert resumed.returncode == 0, resumed.stderr
        assert (run / "checkpoint.json").read_bytes() != before
        watching.until_drawn(out, 'class="node type-exit state-done')
        drawn = out.read_text()
        assert 'id="node-ask" class="node type-wait-human state-done"' in drawn
        assert 'id="edge-ask-exit" class="edge state-taken"' in drawn
        code, said = watching.stop()
    # Messages about earlier drawings may still follow.
    assert (code, set(said.splitlines()) - {"drawn: run.svg"}) == (130, set())


def test_unknown_color_is_reported_for_colored_formats(folder: Path) -> None:
    text = BRANCH.replace("digraph Branch {", "digraph Branch { bgcolor=lightgren", 1)
    (folder / "odd.dot").write_text(text)
    result = attractor("render", "odd.dot", folder=folder)
    assert result.returncode == 0
    assert "odd.dot:1:26: warning[color_known]: unknown color 'lightgren'" in result.stderr
    assert "did you mean lightgreen?" in result.stderr
    assert attractor("render", "odd.dot", "--format", "mermaid", folder=folder).stderr == ""
