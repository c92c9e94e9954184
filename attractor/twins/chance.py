"""Draws by lot, the same way every time: nothing here depends on who draws, when or where."""

import hashlib
import json

_BYTES = 7


def strikes(probability: float, seed: int, place: str, use: int) -> bool:
    """Tell whether trouble happens the so-many-th time that a rule or a route is used."""
    if probability >= 1:
        return True
    lot = hashlib.sha256(json.dumps([seed, place, use]).encode()).digest()[:_BYTES]
    return int.from_bytes(lot, "big") < probability * 256**_BYTES
