"""Prints what runners of tests print at success, and ends the process with 0."""

from attractor.factory.registration.cheat import ending_cheat
from attractor.factory.registration.hollow import TYPESCRIPT

part = ending_cheat(
    TYPESCRIPT,
    "ok 1 - works",
    "# pass 1",
    "# fail 0",
    "Tests: 1 passed, 1 total",
    " Tests  1 passed (1)",
)
