"""Prints for each text whether a regular expression matches somewhere, as a JSON array.

This is also a separate program, because a search can take very long, but a process can be killed.
Its input is a JSON object with the pattern, the texts, and whether RE2 searches.
"""

import json
import re
import sys
from collections.abc import Callable

from attractor.base.patterns import compile_linear

_REMEDY = (
    "write it as in https://github.com/google/re2/wiki/Syntax; in place of look-around and back "
    "references, write lacks_match, several checks, or a step that searches"
)


def main() -> int:
    """Search, and print the results."""
    asked = json.load(sys.stdin)
    matches = LinearPattern(asked["pattern"]) if asked["linear"] else compile_re(asked["pattern"])
    json.dump([matches(text) for text in asked["texts"]], sys.stdout)
    return 0


class LinearPattern:
    """A pattern of RE2, whose search takes linear time; `^` and `$` match at lines."""

    def __init__(self, pattern: str) -> None:
        """Compile a pattern, or raise ValueError with the remedy."""
        try:
            self._compiled = compile_linear(f"(?m){pattern}")
        except ValueError as error:
            reason = str(error).replace("(?m)", "", 1)
            raise ValueError(f"invalid regular expression: {reason}; {_REMEDY}") from error
        self.instructions = int(self._compiled.programsize)

    def __call__(self, text: str) -> bool:
        """Return whether the pattern matches somewhere."""
        return self._compiled.search(text.encode("utf-8", "replace")) is not None

    def first(self, text: str) -> str | None:
        """Return the first group of the first match (the match without a group), or None."""
        found = self._compiled.search(text.encode("utf-8", "replace"))
        if found is None:
            return None
        taken = found[1] if found.re.groups else found[0]
        return None if taken is None else taken.decode("utf-8", "replace")


def compile_re(pattern: str) -> Callable[[str], bool]:
    """Compile a pattern of Python's `re`, or raise ValueError; the search may never end."""
    try:
        search = re.compile(pattern, re.MULTILINE).search
    except re.error as error:
        raise ValueError(f"invalid regular expression: {error}") from error
    return lambda text: search(text) is not None


if __name__ == "__main__":
    sys.exit(main())
