"""The live display on a real terminal: drawing, questions and restored modes."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.runs.live.screen import Screen
from tests.patience import PATIENCE_S
from tests.prepared import Process, begin_prepared

UNGUARDED = ("--backend", "simulate", "--sandbox", "none", "--workspace", "none", "--no-evaluate")
WISH = """digraph wish {
    graph [max_duration="10m"]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    slow  [shape=parallelogram,
           tool_command="timeout 90 sh -c 'until test -e go; do sleep .1; done'"]
    ask   [shape=hexagon, label="Ship it?"]
    start -> slow -> ask
    ask -> exit [label="[Y] Yes"]
    ask -> slow [label="[N] No"]
}
"""


@dataclass
class Terminal:
    """A terminal for one program, and its screen."""

    folder: Path
    width: int = 80
    raw: bytes = b""
    sizes: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    controller: int = -1
    process: Process | None = None
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    def begin(self, *words: str, stdout: int | None = None) -> None:
        self.controller, terminal = pty.openpty()
        self.resize(self.width)
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "ATTRACTOR_STATE_DIR": str(self.folder / "state"),
            **self.variables,
        }
        self.process = begin_prepared(
            words,
            folder=self.folder,
            variables=environ,
            stdin=terminal,
            stdout=terminal if stdout is None else stdout,
            stderr=terminal,
            leads=True,
        )
        os.close(terminal)

    def resize(self, width: int) -> None:
        while self.sizes and self.read(0):
            pass
        self.sizes.append((len(self.raw), width))
        size = struct.pack("HHHH", 24, width, 0, 0)
        fcntl.ioctl(self.controller, termios.TIOCSWINSZ, size)

    def type(self, text: str) -> None:
        os.write(self.controller, text.encode())

    def see(self, what: Callable[[str], object], since: int = 0) -> None:
        """Wait until the text of the screen meets a condition."""
        until = time.monotonic() + PATIENCE_S
        while not what(self.screen(since).text):
            assert time.monotonic() < until, self.raw.decode(errors="replace")
            self.read(0.05)

    def end(self) -> int:
        """Wait until the program ends, and return its exit code."""
        assert self.process
        until = time.monotonic() + PATIENCE_S
        has_ended = False
        # The program may print and end after a read without a result.
        while self.read(0.05) or not has_ended:
            assert time.monotonic() < until
            has_ended = self.process.poll() is not None
        return self.process.wait(PATIENCE_S)

    def screen(self, since: int = 0, *, reflows: bool = True) -> Screen:
        screen = Screen(self.width, reflows)
        at = since
        for offset, width in [*self.sizes, (len(self.raw), 0)]:
            text = self.raw[at : max(at, offset)].decode(errors="ignore")
            # An incomplete escape sequence is kept for the next call.
            whole = text if "\x1b" not in text[-6:] else text[: text.rindex("\x1b")]
            screen.feed(whole if not width else text)
            at = max(at, offset)
            if width:
                screen.resize(width)
        return screen

    def read(self, seconds: float) -> bool:
        """Read available output, and return whether there was any."""
        if not select.select([self.controller], [], [], seconds)[0]:
            return False
        try:
            output = os.read(self.controller, 1 << 16)
        except OSError:
            return False
        self.raw += output
        return bool(output)

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(PATIENCE_S)
        if self.controller >= 0:
            os.close(self.controller)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    (tmp_path / "pipeline.dot").write_text(WISH)
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def run(terminal: Terminal, *more: str, stdout: int | None = None) -> None:
    terminal.begin("run", "pipeline.dot", *UNGUARDED, *more, stdout=stdout)


def test_live_display_stops_during_a_question(terminal: Terminal) -> None:
    run(terminal)
    terminal.see(lambda text: "▸ slow" in text)
    (terminal.folder / "go").touch()
    terminal.see(lambda text: "Select: " in text)
    asked = terminal.raw
    assert "✓ slow" in terminal.screen().text
    assert not terminal.read(0.5)
    terminal.type("n")
    terminal.type("o\n")
    terminal.see(lambda text: text.count("Select: ") == 2)
    terminal.type("Y\n")
    assert terminal.end() == 0
    screen = terminal.screen()
    assert "Select: no\n" in screen.text
    assert "✓ slow@2" in screen.text.partition("Select: no")[2]
    assert "budget: " in screen.text
    assert screen.has_cursor
    assert terminal.raw.startswith(asked)


def test_ctrl_c_restores_the_terminal(terminal: Terminal) -> None:
    run(terminal)
    terminal.see(lambda text: "▸ slow" in text)
    assert terminal.process
    os.killpg(terminal.process.pid, signal.SIGINT)
    assert terminal.end() == 130
    screen = terminal.screen()
    assert screen.has_cursor
    assert "error: interrupted (the run is stored in" in screen.text
    assert "continue with: attractor resume" in screen.text.replace("\n", "")
    # The last message is printed below the display, which is drawn only once.
    assert screen.text.count("▸ slow") == 1


def test_resumed_run_shows_earlier_stages(terminal: Terminal) -> None:
    run(terminal, "--interviewer", "park")
    (terminal.folder / "go").touch()
    assert terminal.end() == 3
    before = len(terminal.raw)
    assert "? ask: Ship it?  [Y] Yes  [N] No" in terminal.screen().text
    os.close(terminal.controller)
    terminal.begin("resume", "latest", "--no-evaluate", "--interviewer", "console")
    terminal.see(lambda text: "Select: " in text, before)
    assert "✓ slow" in terminal.screen(before).text
    terminal.type("Y\n")
    assert terminal.end() == 0


def test_lines_fit_a_narrowed_terminal(terminal: Terminal) -> None:
    run(terminal, "--auto-approve")
    terminal.see(lambda text: "▸ slow" in text)
    terminal.resize(30)
    terminal.see(
        lambda text: any(line.endswith("s") and len(line) == 30 for line in text.split("\n"))
    )
    (terminal.folder / "go").touch()
    assert terminal.end() == 0
    drawn = [one for one in terminal.screen().lines if one.startswith(("✓", "budget"))]
    assert max(map(len, drawn)) <= 30


def test_resize_leaves_no_remains_of_the_display(terminal: Terminal) -> None:
    run(terminal, "--auto-approve")
    terminal.see(lambda text: "▸ slow" in text)
    for width in (50, 24, 70, 33, 100, 80):
        terminal.resize(width)
        drawn = len(terminal.raw)
        until = time.monotonic() + PATIENCE_S
        while b"slow" not in terminal.raw[drawn:]:
            terminal.read(0.05)
            assert time.monotonic() < until
    (terminal.folder / "go").touch()
    assert terminal.end() == 0
    for reflows in (True, False):
        text = terminal.screen(reflows=reflows).text
        drawn = ("wish, ", "✓ start", "✓ slow", "▸ slow", "of 10m")
        assert [text.count(one) for one in drawn] == [1, 1, 1, 0, 1], text


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": ""}])
def test_dumb_terminal_gets_a_line_per_stage(terminal: Terminal, variables: dict[str, str]) -> None:
    terminal.variables = variables
    (terminal.folder / "go").touch()
    run(terminal, "--auto-approve")
    assert terminal.end() == 0
    assert b"\x1b" not in terminal.raw
    assert "slow: success" in terminal.screen().text


def test_terminal_without_unicode_gets_ascii(terminal: Terminal) -> None:
    terminal.variables = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    (terminal.folder / "go").touch()
    run(terminal, "--auto-approve")
    assert terminal.end() == 0
    assert terminal.raw.isascii()
    assert "+ slow" in terminal.screen().text


def test_json_output_beside_the_display_is_complete(terminal: Terminal) -> None:
    (terminal.folder / "go").touch()
    with (terminal.folder / "out.jsonl").open("wb") as out:
        run(terminal, "--auto-approve", "--json", stdout=out.fileno())
        assert terminal.end() == 0
    assert "✓ slow" in terminal.screen().text
    *message, result = map(json.loads, (terminal.folder / "out.jsonl").read_text().splitlines())
    [journal] = terminal.folder.glob("runs/*/events.jsonl")
    assert message == [json.loads(line) for line in journal.read_text().splitlines()]
    assert (result["outcome"], result["exit_code"]) == ("success", 0)


def test_json_on_the_terminal_disables_the_display(terminal: Terminal) -> None:
    (terminal.folder / "go").touch()
    run(terminal, "--auto-approve", "--json")
    assert terminal.end() == 0
    assert b"\x1b" not in terminal.raw
