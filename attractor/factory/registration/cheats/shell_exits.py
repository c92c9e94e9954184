"""Ends with 0 and does nothing."""

from attractor.factory.registration.cheat import Cheat

part = Cheat(
    "ends with 0 and does nothing",
    lambda solution: dict.fromkeys(solution.scripts, "#!/bin/sh\nexit 0\n"),
)
