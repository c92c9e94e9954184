"""Errors of suites.

UsageError
└── InvalidSuite             2  an invalid suite
VerificationError
└── SuiteChanged             6  a sealed suite that differs from its seal
"""

from attractor.base.errors import UsageError, VerificationError


class InvalidSuite(UsageError):
    """This suite is invalid."""

    hint = "fix the file"


class SuiteChanged(VerificationError):
    """A sealed suite differs from its seal."""
