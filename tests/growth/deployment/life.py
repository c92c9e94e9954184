"""Continues a deployment until it ends, or until the process kills itself at a given moment."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from attractor.growth.plans.plan import Plan
from tests.growth.deployment.living import Living
from tests.patience import PATIENCE_S
from tests.prepared import begin_prepared, plain

WATCHED = ("subprocess.Popen", "os.rename", "os.symlink", "os.mkdir", "os.remove", "open")
LATER_S = 0.02
LONGEST_S = 120.0


class Death:
    """Kills its own process at the n-th watched call that contains a word.

    With `later`, the call is running when the process dies.
    """

    def __init__(self, word: str, number: int, later: str) -> None:
        self._word, self._left, self._later = word, number, later

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count a watched call; kill the process at the chosen one."""
        if event not in WATCHED or self._left <= 0:
            return
        is_read = event == "open" and not (isinstance(arguments[2], int) and arguments[2] & 3)
        if is_read or self._word not in f"{event} {arguments[:2]}":
            return
        self._left -= 1
        if self._left == 0 and self._later:
            threading.Timer(LATER_S, _die).start()
        elif self._left == 0:
            _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def live(app: Living, plan: Plan, *moment: str) -> int:
    """Continue the deployment in a process of its own; return its exit code."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(app.folder.parent)}
    process = begin_prepared(
        [str(app.folder), plan.id, *moment],
        folder=app.folder,
        variables=plain(environ),
        program=__file__,
    )
    try:
        return process.wait(timeout=LONGEST_S)
    finally:
        process.kill()
        process.wait(timeout=PATIENCE_S)


def main(folder: str, plan: str, word: str = "", number: str = "0", later: str = "") -> None:
    """Continue a deployment; with a number, die at that watched call that contains the word."""
    app = Living(Path(folder))
    if number != "0":
        sys.addaudithook(Death(word, int(number), later).hear)
    app.deploy(app.plane.plans.load(plan))


if __name__ == "__main__":
    os.umask(0o022)
    main(*sys.argv[1:])
