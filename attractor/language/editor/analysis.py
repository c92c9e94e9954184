"""Analyzes a text in an editor: its graph, diagnostics and names, each on first use."""

from collections.abc import Sequence
from dataclasses import field, replace
from functools import cached_property

from attractor.base.dataclasses import dataclass
from attractor.language.diagnostics import Diagnostic
from attractor.language.editor.occurrences import Occurrence, occurrences
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.linting.validate import Level, Levels
from attractor.language.preparation.prepare import Prepared, prepare
from attractor.language.preparation.transform import Files
from attractor.language.reading import read_graph
from attractor.language.source.text import Source


@dataclass(frozen=True)
class Analysis:
    """A text with its graph (unless invalid), diagnostics and names.

    Each is computed on first use, since the next letter may already be typed.
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
        """The diagnostics of this text, without those of imported texts."""
        found = self._prepared.diagnostics
        return tuple(one for one in found if one.span.file == self.source.file)

    @cached_property
    def names(self) -> Sequence[Occurrence]:
        """All positions where nodes are named."""
        return occurrences(self.source)

    @cached_property
    def words(self) -> Vocabulary:
        """The known names; without a list of models, the models in use."""
        if self.vocabulary.models is not None or self.readable is None:
            return self.vocabulary
        nodes = self.readable.nodes.values()
        used = {node.attributes.text("llm_model") for node in nodes} - {""}
        return replace(self.vocabulary, models=used)

    @cached_property
    def readable(self) -> Graph | None:
        """The graph, or the valid part of it."""
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
