"""A request to the service that a source is: `input` and `output` are JSON Schemas as JSON."""

from attractor.growth.declared_adapter import METHODS
from attractor.growth.specification.node_kind import ANY_TEXT, NodeKind

part = NodeKind(
    parent="source",
    key="operations",
    fields={"method": METHODS, "path": ANY_TEXT, "input": ANY_TEXT, "output": ANY_TEXT},
)
