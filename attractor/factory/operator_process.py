"""What a caller may do; refuses actions of the operator in processes that a run started.

Without a sandbox, tools of a run have the rights of the operator. Their processes are recognized by
a variable that every command of a run gets, in the process itself or in one of its ancestors, and
by an ancestor that executes a stage without a sandbox.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from attractor.base.errors import Refused


class Scope(StrEnum):
    """The actions that a token allows; each scope includes the scopes before it.

    A token of the scope `decide` identifies a person who decides. One of the scope `start` starts
    the runs of one automation, and reads nothing.
    """

    START = "start"
    READ = "read"
    OPERATE = "operate"
    DECIDE = "decide"

    def includes(self, other: "Scope") -> bool:
        """Return whether this scope allows the actions of another scope."""
        scopes = [*Scope]
        return scopes.index(self) >= scopes.index(other)


def refuse_in_run(action: str, environ: Mapping[str, str]) -> None:
    """Refuse an action of the operator in a process that a run started."""
    # Imported here, because most commands do not look at processes.
    from attractor.environments.orphan_processes import (
        MARK,
        ancestors,
        executes_unguarded,
        read_mark,
        variable_of,
    )

    above = [*ancestors()]
    carried = (value for number in (os.getpid(), *above) for value in variable_of(number, MARK))
    for value in (*filter(None, [environ.get(MARK)]), *carried):
        mark = read_mark(value)
        _refuse(action, f"run {mark.run_id}" if mark and mark.run_id else "a run")
    # A process that forked twice has lost the variable, and was adopted by the run.
    if any(map(executes_unguarded, above)):
        _refuse(action, "a run")


def _refuse(action: str, run: str) -> NoReturn:
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
