"""What every attribute means to Attractor (attractor-spec 2.5-2.7, Appendix A)."""

from attractor.language.attributes.known import AttributeType, KnownAttribute, Place
from attractor.language.attributes.models import DEFAULT_FIDELITY, FIDELITIES, Fidelity
from attractor.language.attributes.table import ATTRIBUTES

__all__ = [
    "ATTRIBUTES",
    "AttributeType",
    "DEFAULT_FIDELITY",
    "FIDELITIES",
    "Fidelity",
    "KnownAttribute",
    "Place",
]
