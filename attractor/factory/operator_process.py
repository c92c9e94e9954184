"""Refuses actions of the operator in processes that a run started.

Without a sandbox, tools of a run have the rights of the operator. Their processes are recognized by
a variable that every command of a run gets, in the process itself or in one of its ancestors.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from attractor.base.errors import Refused


def refuse_in_run(action: str, environ: Mapping[str, str]) -> None:
    """Refuse an action of the operator in a process that a run started."""
    # Imported here, because most commands do not look at processes.
    from attractor.environments.orphan_processes import MARK, read_mark

    for value in (*filter(None, [environ.get(MARK)]), *_carried(MARK)):
        mark = read_mark(value)
        run = f"run {mark.run_id}" if mark and mark.run_id else "a run"
        raise Refused(
            f"{action} is only for the operator, and {run} started this process",
            hint="run it in a terminal of your own, not by a tool of a run",
        )


def refuse_while_unguarded(action: str, state_dir: Path) -> None:
    """Refuse an action that proves a person while a stage executes without a sandbox.

    Its commands can open a terminal, and leave the processes in which they are recognized.
    """
    # Imported here, because most commands prove nobody.
    from attractor.base.locks import SharedLock
    from attractor.environments.orphan_processes import UNGUARDED

    if SharedLock.is_held(state_dir / UNGUARDED):
        raise Refused(
            f"{action} is refused while a stage executes without a sandbox, with your rights",
            hint="wait until the stage ends; see: attractor runs",
        )


def _carried(variable: str) -> Iterator[str]:
    """Yield the values of a variable in this process and its ancestors, as each was started."""
    # Imported here, because most commands do not look at processes.
    from attractor.environments.orphan_processes import find_process, variable_of

    number = os.getpid()
    while number:
        yield from variable_of(number, variable)
        process = find_process(number)
        number = process.parent if process else 0
