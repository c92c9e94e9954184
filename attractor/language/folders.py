"""Names the folder of a stage: the node's id, made safe for every file system (ruling L6b)."""

from hashlib import sha256
from urllib.parse import quote_from_bytes

from attractor.language.patterns import IDENTIFIER

_LONGEST = 100
_HASH = 16


def folder_name(node_id: str) -> str:
    """Return the name of the folder that a node's stages write into."""
    is_plain = IDENTIFIER.fullmatch(node_id) is not None
    name = node_id if is_plain else _encoded(node_id)
    if len(name) <= _LONGEST:
        return name
    # "~" stands in no other name, so a cut one cannot be taken for another node's.
    digest = sha256(_bytes(node_id)).hexdigest()[:_HASH]
    return f"{name[: _LONGEST - _HASH - 1]}~{digest}"


def _encoded(node_id: str) -> str:
    encoded = quote_from_bytes(_bytes(node_id), safe="")
    return encoded.replace("~", "%7E").replace(".", "%2E") or "%"


def _bytes(node_id: str) -> bytes:
    return node_id.encode("utf-8", "surrogatepass")
