"""Prints what runners of tests print at success, and ends the process with 0."""

from attractor.factory.registration.cheat import ending_cheat
from attractor.factory.registration.hollow import GO

part = ending_cheat(
    GO,
    r"--- PASS: TestWorks (0.00s)",
    "PASS",
    r"ok  \tworks\t0.001s",
)
