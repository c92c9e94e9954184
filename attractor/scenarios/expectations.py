"""What a text should be: equal to, containing, or matching another."""

import re

from pydantic import field_validator, model_validator

from attractor.scenarios.suite import Written


class TextExpectation(Written):
    """At least one demand on a text; all of them must hold."""

    equals: str | None = None
    contains: str | None = None
    lacks: str | None = None
    matches: str | None = None

    @field_validator("matches")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern

    def shortcoming(self, text: str) -> str:
        """Say which demand a text does not meet; nothing when it meets them all."""
        if self.equals is not None and text.strip() != self.equals.strip():
            return f"is not {self.equals.strip()!r}"
        if self.contains is not None and self.contains not in text:
            return f"does not contain {self.contains!r}"
        if self.lacks is not None and self.lacks in text:
            return f"contains {self.lacks!r}"
        if self.matches is not None and not re.search(self.matches, text, re.MULTILINE):
            return f"does not match {self.matches!r}"
        return ""

    @property
    def demands(self) -> bool:
        """Whether it asks for anything."""
        return any(
            one is not None for one in (self.equals, self.contains, self.lacks, self.matches)
        )


class TextDemand(TextExpectation):
    """An expectation that must ask for something, because a check that can't fail is none."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> "TextDemand":
        if not self.demands:
            raise ValueError("give one of equals, contains, lacks and matches")
        return self
