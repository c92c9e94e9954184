"""A light door to what plays trials: a run that is not evaluated, or only judged, needs none of it.

Every start of a program would pay for it otherwise.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attractor.factory.trial_player import TrialPlayer as TrialPlayer


def __getattr__(name: str) -> object:
    if name != "TrialPlayer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("attractor.factory.trial_player"), name)
