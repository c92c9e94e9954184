"""Seals what a twin's model thought, so that it notices when a thought does not come back whole."""

import base64
import hashlib

_SALT = b"attractor provider twin\0"


def seal(text: str) -> str:
    """Return the seal of a text: the same every time, and of no other text."""
    digest = hashlib.sha256(_SALT + text.encode("utf-8", "surrogatepass")).digest()
    return base64.b64encode(digest).decode("ascii")


def enclose(text: str) -> str:
    """Return a text that cannot be read at a glance, with its seal."""
    hidden = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")
    return f"{hidden}.{seal(text)}"


def is_intact(enclosed: str) -> bool:
    """Tell whether an enclosed text is just as it was made."""
    hidden, _, found = enclosed.partition(".")
    try:
        text = base64.b64decode(hidden, validate=True).decode("utf-8", "surrogatepass")
    except ValueError:
        return False
    return enclosed == enclose(text) and bool(found)
