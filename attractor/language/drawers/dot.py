"""Draws with the installed program `dot` of Graphviz, called through pydot."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from attractor.base.files import file_error
from attractor.language.diagnostics import DrawingFailed

_WITH_PID = 'echo $$ > "$0" && exec "$@"'
_DOTS_PER_INCH = "144"


class SystemDot:
    """The program `dot`."""

    async def draw(self, dot: str, *, format: str, time_limit: timedelta) -> bytes | None:
        """Return the drawing; None if `dot` is not on the PATH."""
        program = shutil.which("dot")
        # Windows has no /bin/sh, by which the program is ended at the time limit.
        if program is None or sys.platform == "win32":
            return None
        try:
            temporary = TemporaryDirectory(prefix="attractor-draw-", ignore_cleanup_errors=True)
        except OSError as cause:
            raise file_error("make", "a temporary folder", cause) from cause
        with temporary as folder:
            return await _run_dot(
                str(Path(program).absolute()), dot, format, Path(folder), time_limit
            )


async def _run_dot(program: str, dot: str, format: str, folder: Path, limit: timedelta) -> bytes:
    # Only drawings need it.
    import pydot

    drawing, text, pid = (folder / name for name in ("drawing", "pipeline.dot", "pid"))
    try:
        text.write_text(dot, encoding="utf-8")
    except OSError as cause:
        raise file_error("write", text, cause) from cause
    flags = [f"-Gdpi={_DOTS_PER_INCH}"] if format == "png" else []
    arguments = [program, f"-T{format}", f"-o{drawing}", *flags, str(text)]
    # pydot waits for the program without a time limit, and passes few variables: others name
    # plugins to load, fonts to read and folders to search.
    call = asyncio.ensure_future(
        asyncio.to_thread(
            pydot.call_graphviz,
            "/bin/sh",
            ["-c", _WITH_PID, str(pid), *arguments],
            str(folder),
            stdin=subprocess.DEVNULL,
            # Not a new session, because adopted orphans are known by theirs.
            process_group=0,
        )
    )
    try:
        async with asyncio.timeout(limit.total_seconds()):
            _, errors, process = await asyncio.shield(call)
    finally:
        # At first, the shell may not have written its id yet.
        while not call.done():
            with suppress(OSError, ValueError):
                os.killpg(int(pid.read_text()), signal.SIGKILL)
            await asyncio.wait([call], timeout=0.1)
    if process.returncode or not drawing.exists():
        # pydot declares a text, and returns bytes.
        lines = cast("bytes", errors).decode(errors="replace").strip().partition("\n")
        reason = lines[0] or f"exit status {process.returncode}"
        raise DrawingFailed(f"dot could not draw the pipeline: {reason}")
    try:
        return drawing.read_bytes()
    except OSError as cause:
        raise file_error("read", drawing, cause) from cause


part = SystemDot()
