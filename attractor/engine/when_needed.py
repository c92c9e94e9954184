"""A light door to what few pipelines need: it is imported when it is first asked for.

Every start of a program would pay for it otherwise.
"""

from typing import TYPE_CHECKING

from attractor.base import lazy_exports as light_door

if TYPE_CHECKING:
    from attractor.engine.drawn_run import read_drawn as read_drawn
    from attractor.engine.rendering import render_prompt as render_prompt
    from attractor.language.drawing.draw import draw as draw

_HOMES = {
    "draw": "language.drawing.draw",
    "read_drawn": "engine.drawn_run",
    "render_prompt": "engine.rendering",
}

__getattr__ = light_door.opening(__name__, _HOMES, below="attractor")
