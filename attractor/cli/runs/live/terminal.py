"""The owner of a terminal: the only writer of drawings, notices and questions."""

import io
import threading
from collections.abc import Callable
from typing import TextIO

from rich.console import Console, RenderableType

_ERASE = "\r\x1b[J"
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"


class DrawnTerminal:
    """Draws a picture at the bottom of a terminal, and writes texts above it, from any thread.

    The cursor rests on the first character of the picture. When a resize breaks lines anew, the
    terminal moves the cursor together with this character. No count of rows is needed to erase the
    picture. Lines are not wrapped while the picture is drawn, because the terminal may be narrower
    than it was a moment ago.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stream = console.file
        self._turn = threading.RLock()
        self._picture: RenderableType | None = None
        self._is_mid_line = False

    @property
    def is_drawn(self) -> bool:
        """Whether a picture is at the bottom of the terminal."""
        return self._picture is not None

    def draw(self, picture: RenderableType) -> None:
        """Draw a picture in place of the last one."""
        with self._turn:
            self._put(self._erased() + self._drawn(picture))
            self._picture = picture

    def leave(self) -> None:
        """Leave the picture, if any, above everything that follows."""
        with self._turn:
            picture, self._picture = self._picture, None
            if picture is not None:
                self._put(f"{_ERASE}{self._rendered(picture)}\n")

    def write(self, text: str) -> None:
        """Write a text above the picture, unwrapped, because it may contain a command."""
        # click tests a stream for bytes by writing nothing: bytes fail here.
        is_line = text.endswith("\n")
        if not text:
            return
        with self._turn:
            erased = _ERASE if self._picture is not None else ""
            self._is_mid_line = not is_line
            if self._is_mid_line:
                self._picture = None
            again = "" if self._picture is None else self._drawn(self._picture)
            self._put(erased + text + again)

    def _erased(self) -> str:
        is_mid_line, self._is_mid_line = self._is_mid_line, False
        if self._picture is not None:
            return _ERASE
        return "\n" if is_mid_line else ""

    def _drawn(self, picture: RenderableType) -> str:
        lines = self._rendered(picture).split("\n")[: max(1, self._console.height - 1)]
        up = f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else ""
        return "".join([_NO_WRAP, "\n".join(lines), _WRAP, "\r", up])

    def _rendered(self, picture: RenderableType) -> str:
        with self._console.capture() as captured:
            self._console.print(picture)
        return captured.get().removesuffix("\n")

    def _put(self, text: str) -> None:
        encoding = self._console.encoding
        self._stream.write(text.encode(encoding, "replace").decode(encoding))
        self._stream.flush()


class TerminalStream(io.TextIOBase):
    """A stream whose texts are passed to a function instead of directly to the terminal."""

    def __init__(self, stream: TextIO, put: Callable[[str], None]) -> None:
        self._stream = stream
        self._put = put

    def write(self, text: str, /) -> int:
        """Pass a text on."""
        self._put(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def close(self) -> None:
        """Leave the terminal open: the finalizer would flush a terminal that may be closed."""

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the file descriptor, for terminal modes."""
        return self._stream.fileno()
