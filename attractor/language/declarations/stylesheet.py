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
    """A property with its value, and where they stand in the stylesheet."""

    property: str
    value: str
    start: int
    value_span: tuple[int, int]

    def moved(self, by: int) -> "Declaration":
        """Return it as it stands further on."""
        start, end = self.value_span
        return replace(self, start=self.start + by, value_span=(start + by, end + by))


@dataclass(frozen=True)
class StyleRule:
    """What a selector says of the nodes it matches, and where the selector stands."""

    kind: str
    name: str
    declarations: tuple[Declaration, ...]
    selector: str
    start: int

    def moved(self, by: int) -> "StyleRule":
        """Return it as it stands further on."""
        moved = tuple(one.moved(by) for one in self.declarations)
        return replace(self, declarations=moved, start=self.start + by)


class _Ranked(NamedTuple):
    """What a rule says of a property; of two the later rule wins."""

    rank: int
    property: str
    value: str


@dataclass(frozen=True)
class Stylesheet:
    """Rules from the least specific to the most specific, each kind in the order of the text."""

    rules: tuple[StyleRule, ...]

    def properties(self, node: Node) -> dict[str, str]:
        """Return what the rules say of a node; the most specific one wins, then the last."""
        classes = [("CLASS", name) for name in node.classes]
        selectors = [("EVERY", ""), ("SHAPE", node.shape), *classes, ("ID", node.id)]
        said = chain.from_iterable(self._said.get(one, {}).values() for one in selectors)
        return {one.property: one.value for one in sorted(said)}

    @cached_property
    def _said(self) -> Mapping[tuple[str, str], Mapping[str, _Ranked]]:
        """What each selector says last of each property, whichever rule it stands in."""
        said: dict[tuple[str, str], dict[str, _Ranked]] = {}
        for rank, rule in enumerate(self.rules):
            by_property = said.setdefault((rule.kind, rule.name), {})
            for one in rule.declarations:
                by_property[one.property] = _Ranked(rank, one.property, one.value)
        return said
