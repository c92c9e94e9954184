"""Graphviz as it is installed on this machine."""

import shutil
from datetime import timedelta

from attractor.base.bounded_output import OutputLimit
from attractor.base.processes import run_process
from attractor.language.errors import DrawingFailed

_TIMEOUT = timedelta(minutes=5)
_LARGEST = OutputLimit(head=256 * 1024 * 1024, tail=0)


class SystemDot:
    """The program `dot`."""

    async def draw(self, dot: str) -> str | None:
        """Return the drawing as SVG; nothing where there is no such program."""
        program = shutil.which("dot")
        if program is None:
            return None
        result = await run_process(
            [program, "-Tsvg"],
            cwd="/",
            env=None,
            timeout=_TIMEOUT,
            stdin=dot.encode(),
            keep=_LARGEST,
        )
        if result.exit_code or result.timed_out or result.stdout_omitted:
            said = result.stderr.strip().partition("\n")[0] or f"it ended with {result.exit_code}"
            reason = "it took too long" if result.timed_out else said
            raise DrawingFailed(f"dot could not draw the pipeline: {reason}")
        return result.stdout


part = SystemDot()
