"""Runs a graph repeatedly, each time on a disk that fails one call later.

It needs its own process, because it replaces functions of `os`. A failed disk fails until the run
is resumed. For each run it prints a line: the result of the run, and the result of the resumed run.
"""

import errno
import itertools
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from attractor.base.errors import AttractorError, MachineryError
from attractor.base.hash_chain import verify_file
from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Stage
from tests.engine.graphs import chain, end, graph, node, start
from tests.engine.runs import RETRY, Script, Workplace, read_events

CALLS = ("open", "write", "fsync", "replace", "mkdir", "ftruncate")


class Disk:
    """Fails after some calls; the first failing write still writes half of its data."""

    def __init__(self, error: int) -> None:
        self._error = error
        self.left: int | None = None
        for name in CALLS:
            setattr(os, name, self._around(name, getattr(os, name)))

    def _around(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(first: Any, *words: Any, **more: Any) -> Any:
            reads = name == "open" and not words[0] & os.O_CREAT
            if self.left is None or reads:
                return real(first, *words, **more)
            self.left -= 1
            if self.left == -1 and name == "write" and len(words[0]) > 1:
                return real(first, words[0][: len(words[0]) // 2])
            if self.left < 0:
                raise OSError(self._error, os.strerror(self._error))
            return real(first, *words, **more)

        return call


async def plan(stage: Stage) -> Outcome:
    stage.files.write("response.md", "a plan")
    stage.emit("Planned", steps=2)
    return RETRY if stage.attempt == 1 else success(planned=True)


async def work(stage: Stage) -> Outcome:
    # The run must stop even if the stage hides the error.
    with suppress(MachineryError):
        stage.files.append("transcript.jsonl", "{}")
        stage.emit("Worked")
    return success(worked=True)


SCRIPT: Script = {"plan": plan, "work": work}


def workplace(root: Path) -> Workplace:
    planned = node("plan", max_retries=1, retry_policy="none")
    return Workplace(
        root, graph([start(), planned, end()], chain("start", "plan", "work", "exit")), SCRIPT
    )


def try_once(root: Path, disk: Disk, left: int) -> dict[str, object]:
    """Run until the disk fails, then resume on a working disk; return both results."""
    place = workplace(root)
    disk.left = left
    try:
        met = str(place.run().outcome)
    except AttractorError as error:
        met = f"{int(error.exit_code)} {error.message} ({error.hint})"
    except Exception as error:  # noqa: BLE001 - any exception is a result to report
        met = f"defect {type(error).__name__}: {error}"
    unmet = disk.left >= 0
    disk.left = None
    result = workplace(root).run() if not unmet else None
    status = json.loads((root / "run.json").read_text())["status"]
    final = json.loads((root / "final.json").read_text())["outcome"]
    begun = [(one.node, one.visit) for one in read_events(root) if one.type == "StageStarted"]
    return {
        "met": met,
        "unmet": unmet,
        "resumed": str(result.outcome) if result else "",
        "completed": list(result.completed) if result else [],
        "status": status,
        "final": final,
        "flaw": str(verify_file(root / "events.jsonl").flaw or ""),
        "begun": len(begun),
        "left_over": [one.name for one in root.iterdir() if one.name.endswith(".tmp")],
    }


def main(folder: str, name: str, step: str) -> None:
    """Let the disk fail at each `step`-th call in turn, until a run ends before the failure."""
    disk = Disk(getattr(errno, name))
    for left in itertools.count(0, int(step)):
        found = try_once(Path(folder) / str(left), disk, left)
        sys.stdout.write(json.dumps(found) + "\n")
        if found["unmet"]:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
