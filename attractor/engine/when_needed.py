"""A light door to what few pipelines need: it is imported when it is first asked for.

Every start of a program would pay for it otherwise.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attractor.engine.rendering import render_prompt as render_prompt


def __getattr__(name: str) -> object:
    if name != "render_prompt":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("attractor.engine.rendering"), name)
