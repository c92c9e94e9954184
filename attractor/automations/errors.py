"""Errors of automations.

UsageError
    InvalidAutomation
Refused
    AutomationPaused
VerificationError
    ChangedAutomation
"""

from attractor.base.errors import Refused, UsageError, VerificationError


class InvalidAutomation(UsageError):
    """An automation could start no run, or has an invalid name."""


class AutomationPaused(Refused):
    """A paused automation starts no runs."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the automation {name} is paused",
            hint=f"let it start runs again: attractor automation pause {name} --off",
        )


class ChangedAutomation(VerificationError):
    """The record of an automation is not the one that its creator made."""

    def __init__(self, name: str, fault: str) -> None:
        super().__init__(
            f"the automation {name} starts no runs: {fault}",
            hint=f"remove it, and create it again: attractor automation remove {name}",
        )
