"""Prints what runners of tests print at success, and ends the process with 0."""

from attractor.factory.registration.cheat import ending_cheat
from attractor.factory.registration.hollow import JAVA

part = ending_cheat(
    JAVA,
    "Tests run: 1, Failures: 0, Errors: 0, Skipped: 0",
    "[         1 tests successful      ]",
    "[         0 tests failed          ]",
    "OK (1 test)",
    "BUILD SUCCESS",
)
