"""Finds the comments of a text."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from attractor.language.patterns import COMMENT, TEXT_OR_COMMENT


class Comment(NamedTuple):
    """A comment, and where it stands."""

    text: str
    start: int
    end: int

    @property
    def is_preprocessor(self) -> bool:
        """Whether it is a line of the C preprocessor, which means nothing to a pipeline."""
        return self.text.startswith("#")

    @property
    def written(self) -> str:
        """The comment as the specification has it."""
        if not self.is_preprocessor:
            return self.text
        return f"// {self.text.lstrip('#').strip()}".rstrip()


def comments_between(text: str, start: int, end: int) -> Iterator[Comment]:
    """Yield the comments between two offsets, where nothing else stands but blanks and signs."""
    for found in COMMENT.finditer(text, start, end):
        yield _comment(found)


def comments_of(text: str) -> Iterator[Comment]:
    """Yield the comments of a whole text, in their order."""
    for found in TEXT_OR_COMMENT.finditer(text):
        if not found[0].startswith('"'):
            yield _comment(found)


def _comment(found: re.Match[str]) -> Comment:
    text = found[0].rstrip()
    return Comment(text, found.start(), found.start() + len(text))
