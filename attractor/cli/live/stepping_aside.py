"""A stream to a terminal: whoever writes to it has the terminal to himself."""

import io
from collections.abc import Callable
from typing import TextIO


class StepsAside(io.TextIOBase):
    """Writes to a stream, after it had what is drawn there taken away."""

    def __init__(self, stream: TextIO, step_aside: Callable[[], None]) -> None:
        self._stream = stream
        self._step_aside = step_aside

    def write(self, text: str, /) -> int:
        """Write a text, on a terminal that nobody else draws on."""
        self._step_aside()
        return self._stream.write(text)

    def flush(self) -> None:
        """Write out what is waiting."""
        self._stream.flush()

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def isatty(self) -> bool:
        """Tell whether a person reads it."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor, for whoever sets the terminal's modes."""
        return self._stream.fileno()
