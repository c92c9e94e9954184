"""What is known of a text as it stands in an editor."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from attractor.language.diagnostics import Diagnostic
from attractor.language.editing.names import Occurrence, occurrences
from attractor.language.graph import Graph
from attractor.language.preparation import prepare
from attractor.language.severities import AS_WRITTEN, Levels
from attractor.language.sources import Source
from attractor.language.surroundings import Files
from attractor.language.vocabulary import Vocabulary


@dataclass(frozen=True)
class Analysis:
    """A text with its graph, unless it is broken, and what is wrong with it."""

    source: Source
    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]
    vocabulary: Vocabulary

    @cached_property
    def names(self) -> Sequence[Occurrence]:
        """Every place where a node is named."""
        return occurrences(self.source)


def analyse(
    source: Source,
    *,
    vocabulary: Vocabulary,
    files: Files | None = None,
    levels: Levels = AS_WRITTEN,
) -> Analysis:
    """Read and check a text."""
    prepared = prepare(
        source.text, file=source.file, files=files, vocabulary=vocabulary, levels=levels
    )
    own = tuple(one for one in prepared.diagnostics if one.span.file == source.file)
    return Analysis(source, prepared.graph, own, vocabulary)
