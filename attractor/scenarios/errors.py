"""The errors of scenarios and their suites.

UsageError
└── InvalidSuite             2  a suite that can't be used as it is written
Broken
└── SuiteChanged             6  a sealed suite is not what was sealed
"""

from attractor.base.errors import Broken, UsageError


class InvalidSuite(UsageError):
    """This suite can't be used as it is written."""


class SuiteChanged(Broken):
    """A sealed suite is not what was sealed."""
