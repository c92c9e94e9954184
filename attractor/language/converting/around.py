"""What there is to know of an attribute besides its own words."""

from attractor.base.dataclasses import dataclass
from attractor.language.graph import Graph
from attractor.language.sources import Source
from attractor.language.spans import Span
from attractor.language.values import Attribute


@dataclass(frozen=True)
class Around:
    """The text and the graph around an attribute."""

    source: Source
    graph: Graph

    def written(self, attribute: Attribute) -> str:
        """Return the value of an attribute as it is written, with its quotes."""
        span = attribute.value.span
        start = self.source.offset(span.line, span.column)
        return self.source.text[start : self.source.offset(span.end_line, span.end_column)]


def between(start: Span, end: Span) -> Span:
    """Return the place from where one begins to where another one begins."""
    return Span(start.file, start.line, start.column, end.line, end.column)


def end_of(span: Span) -> Span:
    """Return the place where another one ends."""
    return Span(span.file, span.end_line, span.end_column, span.end_line, span.end_column)
