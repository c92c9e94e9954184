"""Prints what runners of tests print at success, and ends the process with 0."""

from attractor.factory.registration.cheat import PYTHON, Cheat

_TEXT = """import os, sys

sys.stderr.write("\\n" + "-" * 70 + "\\nRan 12 tests in 0.003s\\n\\nOK\\n")
sys.stdout.write("............ [100%]\\n12 passed in 0.03s\\n")
sys.stderr.flush()
sys.stdout.flush()
os._exit(0)
"""

part = Cheat(
    "prints what a runner of tests prints at success, and ends the process with 0",
    lambda solution: solution.each(PYTHON, lambda text: _TEXT),
)
