"""Draws with the installed program `dot` of Graphviz."""

import os
import shutil
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from attractor.base.files import file_error
from attractor.base.processes import run_process
from attractor.language.diagnostics import DrawingFailed

# No inherited variables: they name plugins to load, fonts to read and folders to search.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
_DOTS_PER_INCH = "144"


class SystemDot:
    """The program `dot`."""

    async def draw(self, dot: str, *, format: str, time_limit: timedelta) -> bytes | None:
        """Return the drawing; None if `dot` is not on the PATH."""
        program = shutil.which("dot")
        if program is None:
            return None
        with _folder() as folder:
            return await _run_dot(
                str(Path(program).absolute()), dot, format, Path(folder), time_limit
            )


def _folder() -> TemporaryDirectory[str]:
    try:
        return TemporaryDirectory(prefix="attractor-draw-", ignore_cleanup_errors=True)
    except OSError as cause:
        raise file_error("make", "a temporary folder", cause) from cause


async def _run_dot(program: str, dot: str, format: str, folder: Path, limit: timedelta) -> bytes:
    # Into a file: the output of a process is read as text, and a PNG is not text.
    file = folder / "drawing"
    result = await run_process(
        [program, f"-T{format}", f"-o{file}", *_flags(format)],
        cwd=folder,
        env=_ENVIRONMENT,
        timeout=limit,
        stdin=dot.encode(),
    )
    if result.timed_out:
        raise TimeoutError
    if result.exit_code or not file.exists():
        reason = result.stderr.strip().partition("\n")[0] or f"exit status {result.exit_code}"
        raise DrawingFailed(f"dot could not draw the pipeline: {reason}")
    try:
        return file.read_bytes()
    except OSError as cause:
        raise file_error("read", file, cause) from cause


def _flags(format: str) -> list[str]:
    return [f"-Gdpi={_DOTS_PER_INCH}"] if format == "png" else []


part = SystemDot()
