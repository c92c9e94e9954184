"""What is known of a text as it stands in an editor."""

from collections.abc import Sequence
from dataclasses import field, replace
from functools import cached_property

from attractor.base.dataclasses import dataclass
from attractor.language.diagnostics import Diagnostic
from attractor.language.editing.names import Occurrence, occurrences
from attractor.language.graph import Graph
from attractor.language.parsing import read_graph
from attractor.language.preparation import Prepared, prepare
from attractor.language.severities import Level, Levels
from attractor.language.sources import Source
from attractor.language.surroundings import Files
from attractor.language.vocabulary import Vocabulary


@dataclass(frozen=True)
class Analysis:
    """A text with its graph, unless it is broken, and what is wrong with it.

    Each is found out when it is first asked for: the next letter may be typed already.
    """

    source: Source
    vocabulary: Vocabulary
    files: Files | None = None
    levels: Levels = field(default_factory=dict[str, Level])

    @property
    def graph(self) -> Graph | None:
        """The graph after its transforms."""
        return self._prepared.graph

    @cached_property
    def diagnostics(self) -> Sequence[Diagnostic]:
        """What is wrong with this text, and not with another that it imports."""
        found = self._prepared.diagnostics
        return tuple(one for one in found if one.span.file == self.source.file)

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

    @cached_property
    def readable(self) -> Graph | None:
        """The graph, or what can be read of it."""
        return self.graph or read_graph(self.source).readable

    @cached_property
    def _prepared(self) -> Prepared:
        return prepare(
            self.source.text,
            file=self.source.file,
            files=self.files,
            vocabulary=self.vocabulary,
            levels=self.levels,
        )
