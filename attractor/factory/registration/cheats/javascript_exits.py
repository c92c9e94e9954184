"""Ends the process with 0 when it is loaded."""

from attractor.factory.registration.cheat import JAVASCRIPT, Cheat, exporting

part = Cheat(
    "ends the process with 0 when it is loaded",
    lambda solution: solution.each(
        JAVASCRIPT, lambda text: f"process.exit(0);\n{exporting(text, 'undefined')}"
    ),
)
