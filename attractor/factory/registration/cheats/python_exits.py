"""Ends the process with 0 when it is imported."""

from attractor.factory.registration.cheat import PYTHON, Cheat

part = Cheat(
    "ends the process with 0 when it is imported",
    lambda solution: solution.each(PYTHON, lambda text: "import os\n\nos._exit(0)\n"),
)
