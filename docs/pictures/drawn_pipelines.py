"""Draws the example pipelines and the run of the README, light and dark; `make docs` calls it.

A drawing ends with a note of its input: the DOT text, and the text around the drawing. So a stale
drawing is found without Graphviz, whichever version drew it.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from attractor.language.drawing.draw import dot_text, draw, finish_svg
from attractor.language.drawing.picture import Picture, as_picture
from attractor.language.drawing.run_overlay import RunStates, overlay
from attractor.language.drawing.theme import Theme
from attractor.language.graph.graph import Graph
from attractor.language.reading import parse_file
from attractor.records.drawing import read_events, states_of

ROOT = Path(__file__).parent.parent.parent
FOLDER = Path(__file__).parent / "pipelines"
RUN = Path(__file__).parent / "run"
THEMES = (Theme.LIGHT, Theme.DARK)
_NOTHING = '<svg width="1pt" height="1pt" viewBox="0 0 1 1"></svg>'


@dataclass(frozen=True)
class Drawing:
    """One pipeline or run in one theme, and the file of its drawing."""

    graph: Graph
    theme: Theme
    file: Path
    states: RunStates | None = None

    @property
    def picture(self) -> Picture:
        """The graph, with the states of the run if there is one."""
        return overlay(self.graph, self.states) if self.states else as_picture(self.graph)

    @property
    def note(self) -> str:
        """The last line of an up-to-date file."""
        text = dot_text(self.picture, theme=self.theme)
        text += finish_svg(_NOTHING, self.picture, theme=self.theme)
        return f"<!-- drawn from {sha256(text.encode()).hexdigest()} -->\n"

    @property
    def is_fresh(self) -> bool:
        """Whether the file shows the present pipeline."""
        return self.file.exists() and self.file.read_text("utf-8").endswith(self.note)

    def write(self) -> None:
        """Draw the pipeline or run into its file."""
        svg = asyncio.run(draw(self.picture, theme=self.theme))
        self.file.write_text(f"{svg.rstrip()}\n{self.note}", "utf-8")


def drawings() -> Sequence[Drawing]:
    """Return all drawings."""
    return list(_drawings())


def write_stale() -> None:
    """Draw stale and missing files, and remove files that no drawing uses."""
    wanted = drawings()
    for one in wanted:
        if not one.is_fresh:
            one.write()
    for file in set(FOLDER.glob("*.svg")) - {one.file for one in wanted}:
        file.unlink()


def _drawings() -> Iterator[Drawing]:
    for pipeline in sorted((ROOT / "pipelines").glob("*.dot")):
        graph = parse_file(pipeline)
        for theme in THEMES:
            yield Drawing(graph, theme, FOLDER / f"{pipeline.stem}-{theme}.svg")
    # A real run, up to its middle.
    graph = parse_file(RUN / "wish.dot")
    states = states_of(read_events(RUN / "events.jsonl"), name="attractor run wish.dot")
    for theme in THEMES:
        yield Drawing(graph, theme, FOLDER / f"run-{theme}.svg", states)


if __name__ == "__main__":
    write_stale()
