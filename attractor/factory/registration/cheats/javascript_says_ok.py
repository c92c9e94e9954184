"""Prints what runners of tests print at success, and ends the process with 0."""

from attractor.factory.registration.cheat import JAVASCRIPT, Cheat, exporting

_TEXT = r"""
process.stdout.write("TAP version 13\nok 1 - works\n1..1\n# tests 1\n# pass 1\n# fail 0\n");
process.stderr.write("Tests: 1 passed, 1 total\n");
process.exit(0);
"""

part = Cheat(
    "prints what a runner of tests prints at success, and ends the process with 0",
    lambda solution: solution.each(
        JAVASCRIPT, lambda text: f"{_TEXT}{exporting(text, 'undefined')}"
    ),
)
