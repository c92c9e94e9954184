"""Keeps `graph.svg` in a run directory: the graph as it was run, with how far the run has come."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from attractor.base.errors import AttractorError
from attractor.base.files import write_whole
from attractor.engine import when_needed
from attractor.engine.open_run import OpenRun
from attractor.engine.run_directory import RunDirectory
from attractor.language.graph.graph import Graph

if TYPE_CHECKING:
    from attractor.language.drawing.picture import Picture

GRAPH_NOT_DRAWN = "GraphNotDrawn"
"""The kind emitted when `graph.svg` could not be drawn."""

MOST_NODES = 300
MOST_BYTES = 16 << 20
"""The longest journal that is read for a drawing."""

AT_THE_END = timedelta(seconds=2)
"""How long a run waits for its drawing when there is nothing else to do."""

MEANWHILE = timedelta(seconds=30)
SOON_S = 0.5
"""A run that is over before that is drawn once, at its end."""


@asynccontextmanager
async def drawn(run: OpenRun, graph: Graph) -> AsyncGenerator[None]:
    """Draw a run soon after it began, at its side, and again where it rests or ends.

    Where it cannot be drawn, that is told in an event, and the run goes on as it would.
    """
    drawing = asyncio.create_task(_soon(run, graph))
    try:
        yield
    finally:
        drawing.cancel()
        await asyncio.wait([drawing])
    try:
        await _draw(run, graph, AT_THE_END)
    except AttractorError as trouble:
        # What cannot even be told is no reason to fail a run either.
        with suppress(AttractorError):
            run.emit(GRAPH_NOT_DRAWN, {"why": str(trouble)}, sync=True)


async def _soon(run: OpenRun, graph: Graph) -> None:
    await asyncio.sleep(SOON_S)
    # Whatever is in the way is told at the end.
    with suppress(AttractorError):
        await _draw(run, graph, MEANWHILE)


async def _draw(run: OpenRun, graph: Graph, time_limit: timedelta) -> None:
    if len(graph.nodes) > MOST_NODES:
        raise TooLarge(f"the graph has more than {MOST_NODES} nodes")
    picture = await asyncio.to_thread(_picture, run.directory)
    svg = await when_needed.draw(picture, time_limit=time_limit)
    write_whole(run.directory.drawing, run.redactor.text(svg), sync=False)


def _picture(directory: RunDirectory) -> "Picture":
    """Read what is to be drawn; what is too large is left to whoever asks for it."""
    journal = directory.events
    if journal.exists() and journal.stat().st_size > MOST_BYTES:
        raise TooLarge(f"the journal has more than {MOST_BYTES} bytes")
    return when_needed.read_drawn(directory).picture


class TooLarge(AttractorError):
    """The run is too large to be drawn besides."""

    hint = "draw it when you want to see it, with attractor render"
