"""A light door to what few pipelines need: it is imported when it is first asked for.

Every start of a program would pay for it otherwise.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attractor.engine.drawn_run import read_drawn as read_drawn
    from attractor.engine.rendering import render_prompt as render_prompt
    from attractor.language.draw import draw as draw

_HOMES = {
    "draw": "attractor.language.draw",
    "read_drawn": "attractor.engine.drawn_run",
    "render_prompt": "attractor.engine.rendering",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
