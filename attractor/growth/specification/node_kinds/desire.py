"""A desire of a user."""

from attractor.growth.specification.node_kind import ANY_TEXT, NodeKind

part = NodeKind(
    parent="domain",
    key="desires",
    label="goal",
    fields={"cadence": ANY_TEXT},
    lists=frozenset(("constraints", "trusted_sources", "outputs", "preferences")),
)
