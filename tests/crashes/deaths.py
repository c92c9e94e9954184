"""Kills its own process with SIGKILL at a chosen file operation."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOMENTS = (
    "half of events.jsonl",
    "after checkpoint.json",
    "program at work",
    "half of checkpoint.json",
    "place status.json",
    "sync events.jsonl",
    "any",
    "half of a stage file",
    "place checkpoint.json",
    "move to history",
    "write object",
    "place index",
    "clear the workspace",
    "make a stage folder",
    "after events.jsonl",
)
"""The operations at which a process can kill itself; `any` is the next operation of any kind."""

MAX_OTHER_MOMENTS = 400
"""The number of other operations after which a process kills itself at any operation."""
PROGRAM_AT_WORK_S = 0.01
STEP = b'"CheckpointSaved"'


@dataclass
class Death:
    """Waits for a number of further steps of the run, and then for an operation."""

    moment: str
    steps: int
    skip: int
    note: Path
    real: dict[str, Callable[..., Any]] = field(default_factory=dict[str, Callable[..., Any]])
    met: int = 0
    dying: threading.Lock = field(default_factory=threading.Lock)

    def patch_os(self) -> None:
        """Replace functions of `os` by versions that can kill the process."""
        for name in ("write", "fsync", "replace", "rename", "mkdir", "unlink"):
            self.real[name] = getattr(os, name)
        os.write = self._write
        os.fsync = self._fsync
        for name in ("replace", "rename", "mkdir", "unlink"):
            setattr(os, name, self._around(name))
        sys.addaudithook(self._on_audit_event)

    def _matching_label(self, *labels: str) -> str:
        """Return the label to record when the process must be killed now, else an empty string."""
        if self.steps > 0:
            return ""
        self.met += 1
        is_any = self.moment == "any" or self.met > MAX_OTHER_MOMENTS
        if not is_any and self.moment not in labels:
            return ""
        self.skip -= 1
        return (labels[0] if is_any else self.moment) if self.skip < 0 else ""

    def _die(self, label: str) -> None:
        # Only one thread kills the process: the lock is never released.
        self.dying.acquire()
        file = os.open(self.note, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.real["write"](file, f"{label}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)

    def _write(self, file: int, data: Any) -> int:
        name = _kind_of(_path_of(file), bytes(data))
        if label := self._matching_label(f"half of {name}", f"write {name}"):
            self.real["write"](file, bytes(data)[: len(data) // 2])
            self._die(label)
        written: int = self.real["write"](file, data)
        if name == "events.jsonl":
            self.steps -= STEP in bytes(data)
            if label := self._matching_label("after events.jsonl"):
                self._die(label)
        return written

    def _fsync(self, file: int) -> None:
        if label := self._matching_label(f"sync {_kind_of(_path_of(file))}"):
            self._die(label)
        self.real["fsync"](file)

    def _around(self, name: str) -> Callable[..., Any]:
        def call(path: Any, *words: Any, **more: Any) -> Any:
            target = _named(words[0] if name in ("replace", "rename") else path)
            if label := self._matching_label(*_labels(name, target)):
                self._die(label)
            returned = self.real[name](path, *words, **more)
            if label := self._matching_label(f"after {_kind_of(target)}"):
                self._die(label)
            return returned

        return call

    def _on_audit_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen" and (label := self._matching_label("program at work")):
            threading.Timer(PROGRAM_AT_WORK_S, self._die, [label]).start()


def _labels(call: str, target: str) -> tuple[str, ...]:
    kind = _kind_of(target)
    match call:
        case "replace" | "rename" if "history" in target.split("/"):
            return ("move to history",)
        case "replace" | "rename":
            return (f"place {kind}",)
        case "mkdir":
            return ("make a stage folder",)
        case _:
            return ("clear the workspace", f"remove {kind}")


def _kind_of(path: str, data: bytes = b"") -> str:
    name = path.rpartition("/")[2]
    if b'"completed_nodes"' in data and STEP not in data:
        return "checkpoint.json"
    if "/objects" in path:
        return "object"
    if name in ("events.jsonl", "checkpoint.json", "status.json", "run.json", "index"):
        return name
    is_stage_file = name.endswith((".md", ".txt")) or name.endswith(".tmp")
    return "a stage file" if is_stage_file else "another file"


def _named(path: Any) -> str:
    return os.fsdecode(path)


def _path_of(file: int) -> str:
    """Return the path of an open file, or an empty string where /proc is missing."""
    try:
        return str(Path(f"/proc/self/fd/{file}").readlink())
    except OSError:
        return ""
