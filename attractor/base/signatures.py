"""Reads what functions that somebody handed in want to be given."""

import inspect
from collections.abc import Callable


def count_wanted(called: Callable[..., object]) -> int:
    """Count what has to be handed to a function, one after the other."""
    in_order = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wanted = inspect.signature(called).parameters.values()
    return sum(one.kind in in_order and one.default is one.empty for one in wanted)
