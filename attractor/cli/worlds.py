"""Makes the world a run sees of what this call was given."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TextIO

from attractor.cli.invocation import Invocation
from attractor.cli.output import show
from attractor.pipeline.host import RunHost, Watch, make_world, unwatched


def world_of(
    invocation: Invocation,
    *,
    watch: Watch = unwatched,
    output: TextIO | None = None,
    quiet: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> RunHost:
    """Return the world as this call sees it; what it is told goes to standard error.

    People are asked on the output, which is standard error as well unless said; then it is quiet
    there.
    """
    return make_world(
        invocation.configuration,
        environ=invocation.environ,
        input=sys.stdin,
        output=output or sys.stderr,
        watch=watch,
        quiet=quiet,
        tell=lambda sentence: show(sentence, err=True),
    )
