"""`attractor validate --watch`, the real process with real files."""

import os
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from attractor.cli.pipelines.watch import changed_files
from tests.cli.running import NO_HOME
from tests.patience import PATIENCE_S
from tests.prepared import begin_prepared

GOOD = "digraph G { start; a [prompt=x]; exit; start -> a -> exit }"
BAD = "digraph G { start -- exit }"
_TO_LISTEN_S = 0.1


class Watching:
    """A running `attractor validate --watch` and the lines it prints."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.process = begin_prepared(
            ["validate", "--watch", *words],
            folder=folder,
            variables={"PATH": os.environ["PATH"], "HOME": str(NO_HOME), "LANG": "C.UTF-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def until(self, end: str) -> str:
        """Return the output up to a line with this end."""
        lines: list[str] = []
        while not lines or not lines[-1].endswith(f"{end}\n"):
            lines.append(self._lines.get(timeout=PATIENCE_S))
        # Wait until it watches again: it would notice an earlier change only when it polls.
        time.sleep(_TO_LISTEN_S)
        return "".join(lines)

    def stop(self, number: signal.Signals) -> tuple[int, str]:
        """Send a signal; return the exit code and the text on stderr."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=PATIENCE_S)
        assert self.process.stderr
        return code, self.process.stderr.read()

    def close(self) -> None:
        self.process.kill()
        self.process.wait(timeout=PATIENCE_S)
        self._reader.join(timeout=PATIENCE_S)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream
            stream.close()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)


@pytest.fixture
def watchings() -> Iterator[list[Watching]]:
    started: list[Watching] = []
    yield started
    for one in started:
        one.close()


def replace_whole(file: Path, text: str) -> None:
    """Save a file as editors do: replace it by another file."""
    (file.parent / ".new").write_text(text)
    (file.parent / ".new").replace(file)


def test_a_changed_file_is_checked_again(tmp_path: Path, watchings: list[Watching]) -> None:
    (tmp_path / "a.dot").write_text(GOOD)
    (tmp_path / "b.dot").write_text(GOOD)
    watching = Watching(tmp_path, "a.dot", "b.dot")
    watchings.append(watching)
    first = watching.until("2 files, no problems found")
    assert re.fullmatch(r"\d\d:\d\d:\d\d  2 files, no problems found\n", first)
    replace_whole(tmp_path / "a.dot", BAD)
    again = watching.until("1 error in 1 file")
    assert again.startswith("a.dot:1:19: error[syntax]")
    assert "b.dot" not in again
    (tmp_path / "a.dot").write_text(GOOD)
    watching.until("1 file, no problems found")
    code, said = watching.stop(signal.SIGINT)
    assert (code, said) == (130, "")


def test_new_and_removed_files_are_noticed(tmp_path: Path, watchings: list[Watching]) -> None:
    (tmp_path / "a.dot").write_text(GOOD)
    watching = Watching(tmp_path, ".")
    watchings.append(watching)
    watching.until("1 file, no problems found")
    (tmp_path / "new.dot").write_text(BAD)
    assert watching.until("1 error in 1 file").startswith("new.dot:")
    (tmp_path / "new.dot").unlink()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  removed: new.dot\n", watching.until("removed: new.dot"))
    (tmp_path / "a.dot").unlink()
    assert "no pipeline in" in watching.until("1 error; removed: a.dot")
    (tmp_path / "a.dot").write_text(GOOD)
    watching.until("  1 file, no problems found")


def test_named_file_may_vanish_and_return(tmp_path: Path, watchings: list[Watching]) -> None:
    file = tmp_path / "a.dot"
    watching = Watching(tmp_path, "a.dot")
    watchings.append(watching)
    assert "cannot read a.dot: No such file" in watching.until("1 error")
    file.write_text(GOOD)
    watching.until("  1 file, no problems found")
    file.unlink()
    found = watching.until("1 error; removed: a.dot")
    assert "cannot read a.dot: No such file" in found
    assert "no problems found" not in found
    replace_whole(file, BAD)
    assert watching.until("1 error in 1 file").startswith("a.dot:1:19: error[syntax]")


def test_new_prompt_file_is_noticed(tmp_path: Path, watchings: list[Watching]) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "a.dot").write_text(GOOD.replace("prompt=x", 'prompt="@prompts/x.md"'))
    watching = Watching(tmp_path, "a.dot")
    watchings.append(watching)
    assert "error[prompt_file]" in watching.until("1 error in 1 file")
    (tmp_path / "prompts" / "x.md").write_text("Do it.")
    watching.until("1 file, no problems found")


def test_change_during_a_check_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("1")
    changes = changed_files(lambda: [str(file)])
    assert next(changes) == {str(file)}
    file.write_text("22")
    assert next(changes) == {str(file)}
    file.unlink()
    assert next(changes) == {str(file)}
