"""What is known of a text as it stands in an editor."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from attractor.language.diagnostics import Diagnostic
from attractor.language.editing.names import Occurrence, occurrences
from attractor.language.graph import Graph
from attractor.language.parsing import read_graph
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
    readable: Graph | None = None

    @cached_property
    def names(self) -> Sequence[Occurrence]:
        """Every place where a node is named."""
        return occurrences(self.source)

    @cached_property
    def words(self) -> Vocabulary:
        """The names that are known; where nothing says which models there are, those in use."""
        if self.vocabulary.models is not None or self.readable is None:
            return self.vocabulary
        nodes = self.readable.nodes.values()
        used = {node.attributes.text("llm_model") for node in nodes} - {""}
        return replace(self.vocabulary, models=used)


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
    readable = prepared.graph or read_graph(source).readable
    return Analysis(source, prepared.graph, own, vocabulary, readable)
