"""Errors of scenarios and their suites.

UsageError
└── InvalidSuite             2  an invalid suite
VerificationError
└── SuiteChanged             6  a sealed suite that differs from its seal
"""

from typing import Never

from pydantic import BaseModel, ValidationError

from attractor.base.errors import UsageError, VerificationError
from attractor.base.toml import KeyPath
from attractor.base.toml_errors import Fault, TomlMistake, explain_faults
from attractor.config.schema import child, keys_at
from attractor.scenarios.suite import STEP_KINDS


class InvalidSuite(UsageError):
    """This suite is invalid."""

    hint = "fix the file"


class SuiteChanged(VerificationError):
    """A sealed suite differs from its seal."""


def mistakes_of(
    error: ValidationError, model: type[BaseModel], value: object, at: KeyPath = ()
) -> list[TomlMistake]:
    """Turn pydantic's faults of the value under a key into mistakes."""

    def known(fault: Fault) -> tuple[str, ...]:
        shape: object = model
        for part in fault["loc"][:-1]:
            shape = STEP_KINDS.get(str(part)) or child(shape, part)
        return keys_at(shape, ()) if shape is not Never else ()

    faults = error.errors(include_url=False)
    return explain_faults(faults, value, at=at, known=known, ignored_steps=STEP_KINDS.keys())
