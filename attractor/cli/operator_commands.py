"""Commands of the operator, which are refused in processes that a run started.

Without a sandbox, tools of a run have the rights of the operator. Their processes are recognized by
a variable that every command of a run gets, in the process itself or in one of its ancestors.
"""

import os
from collections.abc import Iterator, Mapping

from attractor.base.errors import Refused

OPERATOR_COMMANDS = (
    "amend",
    "decide",
    "pipeline",
    "profile",
    "promote",
    "rebase",
    "rollback",
    "suite",
    "token",
)
"""The names of these commands and groups."""


def is_operator_command(name: str) -> bool:
    """Return whether a command, such as `token.create`, is only for the operator."""
    return any(name == one or name.startswith(f"{one}.") for one in OPERATOR_COMMANDS)


def refuse_in_run(name: str, environ: Mapping[str, str]) -> None:
    """Refuse a command of the operator in a process that a run started."""
    # Imported here, because most commands do not look at processes.
    from attractor.environments.orphan_processes import MARK, read_mark

    for value in (*filter(None, [environ.get(MARK)]), *_carried(MARK)):
        mark = read_mark(value)
        run = f"run {mark.run_id}" if mark and mark.run_id else "a run"
        raise Refused(
            f"'attractor {name.replace('.', ' ')}' is only for the operator, "
            f"and {run} started this process",
            hint="run it in a terminal of your own, not by a tool of a run",
        )


def _carried(variable: str) -> Iterator[str]:
    """Yield the values of a variable in this process and its ancestors, as each was started."""
    from attractor.environments.orphan_processes import find_process, variable_of

    number = os.getpid()
    while number:
        yield from variable_of(number, variable)
        process = find_process(number)
        number = process.parent if process else 0
