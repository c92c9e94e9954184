"""What is known of an attribute: where it stands, what its value has to be, and what it says."""

from enum import StrEnum
from functools import partial
from typing import NamedTuple


class Place(StrEnum):
    """What an attribute can stand on."""

    GRAPH = "graph"
    NODE = "node"
    EDGE = "edge"


class AttributeType(StrEnum):
    """What an attribute's value has to be."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DURATION = "duration"
    MOMENT = "moment"
    CONTEXT_KEY = "context key"


class KnownAttribute(NamedTuple):
    """One attribute; without choices every value of its type will do.

    The least value of a duration counts milliseconds.
    """

    name: str
    places: tuple[Place, ...]
    sentence: str
    type: AttributeType
    default: str = ""
    choices: tuple[str, ...] = ()
    alias_of: str = ""
    minimum: int | None = None


GRAPH, NODE, EDGE = (Place.GRAPH,), (Place.NODE,), (Place.EDGE,)
GRAPH_AND_NODE, NODE_AND_EDGE = (Place.GRAPH, Place.NODE), (Place.NODE, Place.EDGE)
ANYWHERE = (Place.GRAPH, Place.NODE, Place.EDGE)

text = partial(KnownAttribute, type=AttributeType.STRING)
"""Makes a row of an attribute that holds words."""

whole = partial(KnownAttribute, type=AttributeType.INTEGER)
"""Makes a row of an attribute that holds a whole number."""

number = partial(KnownAttribute, type=AttributeType.NUMBER)
"""Makes a row of an attribute that holds a number."""

truth = partial(KnownAttribute, type=AttributeType.BOOLEAN)
"""Makes a row of an attribute that is true or false."""

time = partial(KnownAttribute, type=AttributeType.DURATION)
"""Makes a row of an attribute that holds a duration."""

moment = partial(KnownAttribute, type=AttributeType.MOMENT)
"""Makes a row of an attribute that holds a date with a time, or a time of day."""

context_key = partial(KnownAttribute, type=AttributeType.CONTEXT_KEY)
"""Makes a row of an attribute that says under which key of the context something stands."""
