"""Places in a text: ours count letters from 1, the protocol counts units of the client from 0."""

from lsprotocol.types import Position, Range
from pygls.workspace import PositionCodec, TextDocument

from attractor.language.source.syntax_tree import Span


class Places:
    """Turns the places of one document from one way of counting into the other."""

    def __init__(self, document: TextDocument, codec: PositionCodec) -> None:
        self._lines = document.lines
        self._codec = codec

    def place(self, position: Position) -> tuple[int, int]:
        """Return the line and the column of a position."""
        counted = self._codec.position_from_client_units(self._lines, position)
        return counted.line + 1, counted.character + 1

    def position(self, line: int, column: int) -> Position:
        """Return the position of a line and a column."""
        return self._codec.position_to_client_units(self._lines, Position(line - 1, column - 1))

    def range(self, span: Span) -> Range:
        """Return the range of a span; what stands nowhere stands at the beginning."""
        if not span.is_somewhere:
            return Range(Position(0, 0), Position(0, 0))
        return Range(
            self.position(span.line, span.column), self.position(span.end_line, span.end_column)
        )

    @property
    def whole(self) -> Range:
        """The range of the whole document."""
        return Range(Position(0, 0), Position(len(self._lines), 0))
