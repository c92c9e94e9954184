"""Where something stands in a text."""

from typing import NamedTuple


class Span(NamedTuple):
    """From one character of a file to behind another; lines and columns count from 1.

    A large pipeline has hundreds of thousands of them, so they are as cheap as a tuple.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def is_somewhere(self) -> bool:
        """Whether it points into a text."""
        return self.line > 0


NOWHERE = Span("", 0, 0, 0, 0)
"""The span of what was made in code, not read from a text."""
