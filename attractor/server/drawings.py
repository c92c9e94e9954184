"""Drawings of runs, kept by their content: a run that did not change is not drawn again."""

import asyncio
import threading
from collections import OrderedDict
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.json import content_hash
from attractor.engine.run_folder.drawing import read_drawn
from attractor.engine.run_folder.layout import RunDirectory
from attractor.language.drawing.draw import Format, describe, dot_text, render_async

MOST_BYTES = 64 << 20
"""The maximum size of all kept drawings; a drawing of 500 nodes has half a megabyte."""


@dataclass(frozen=True)
class Drawing:
    """An SVG, and the hash of what it shows."""

    svg: bytes
    content: str


class Drawings:
    """Draws runs as SVG, and keeps the drawings that were used last."""

    def __init__(self) -> None:
        self._kept = OrderedDict[str, Drawing]()
        # One drawing at a time: each takes a processor.
        self._turn = threading.Lock()

    def draw(self, root: Path) -> Drawing:
        """Return the drawing of a run, with the state of its stages."""
        picture = read_drawn(RunDirectory(root)).picture
        # The description of the drawing for screen readers is not part of the DOT text.
        shown = f"{dot_text(picture)}\n{describe(picture)}"
        content = content_hash(shown.encode())
        with self._turn:
            drawing = self._kept.get(content)
            if drawing is None:
                svg = asyncio.run(render_async(picture, format=Format.SVG))
                drawing = self._kept[content] = Drawing(svg, content)
            self._kept.move_to_end(content)
            while len(self._kept) > 1 and self._size() > MOST_BYTES:
                self._kept.popitem(last=False)
        return drawing

    def _size(self) -> int:
        return sum(len(one.svg) for one in self._kept.values())
