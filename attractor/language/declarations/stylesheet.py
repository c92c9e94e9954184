"""The model stylesheet: rules that choose model, provider and effort (attractor-spec 8)."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.language.graph.graph import Node

PROPERTIES = ("llm_model", "llm_provider", "reasoning_effort")


@dataclass(frozen=True)
class Declaration:
    """A property with its value and their places in the stylesheet."""

    property: str
    value: str
    start: int
    value_span: tuple[int, int]

    def moved(self, by: int) -> "Declaration":
        """Return a copy at a later place."""
        start, end = self.value_span
        return replace(self, start=self.start + by, value_span=(start + by, end + by))


@dataclass(frozen=True)
class StyleRule:
    """The declarations of a selector, and its place."""

    kind: str
    name: str
    declarations: tuple[Declaration, ...]
    selector: str
    start: int

    def moved(self, by: int) -> "StyleRule":
        """Return a copy at a later place."""
        moved = tuple(one.moved(by) for one in self.declarations)
        return replace(self, declarations=moved, start=self.start + by)


class _Ranked(NamedTuple):
    """The value of a property with the rank of its rule; the highest rank wins."""

    rank: int
    property: str
    value: str


@dataclass(frozen=True)
class Stylesheet:
    """Rules ordered by specificity, then by their place in the text."""

    rules: tuple[StyleRule, ...]

    def properties(self, node: Node) -> dict[str, str]:
        """Return the properties of a node; the most specific rule wins, then the last."""
        classes = [("CLASS", name) for name in node.classes]
        selectors = [("EVERY", ""), ("SHAPE", node.shape), *classes, ("ID", node.id)]
        said = chain.from_iterable(self._said.get(one, {}).values() for one in selectors)
        return {one.property: one.value for one in sorted(said)}

    @cached_property
    def _said(self) -> Mapping[tuple[str, str], Mapping[str, _Ranked]]:
        """The last value of each property by selector."""
        said: dict[tuple[str, str], dict[str, _Ranked]] = {}
        for rank, rule in enumerate(self.rules):
            by_property = said.setdefault((rule.kind, rule.name), {})
            for one in rule.declarations:
                by_property[one.property] = _Ranked(rank, one.property, one.value)
        return said
