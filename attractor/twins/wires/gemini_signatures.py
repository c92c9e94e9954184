"""Thought signatures of Gemini's: bytes in base64, which come back in either of its alphabets."""

import base64
import binascii

from attractor.twins.seals import enclose, is_intact, seal

# What a client may say in the place of a signature, for a call that was made elsewhere.
_UNSIGNED = (b"skip_thought_signature_validator", b"context_engineering_is_the_way_to_go")
_PLAIN = str.maketrans("-_", "+/")


def sign_thought(thinking: str) -> str:
    """Return the signature of a thought that is shown."""
    return seal(thinking)


def sign(thinking: str) -> str:
    """Return the signature that carries a thought which is not shown."""
    return base64.b64encode(enclose(thinking).encode()).decode()


def is_signature(found: str, *, thought: str | None = None) -> bool:
    """Tell whether a signature is as it was made, for a thought that is shown or for none."""
    if found.encode() in _UNSIGNED:
        return True
    signed = _signed(found)
    if thought is not None:
        return signed == _signed(seal(thought)) or signed in _UNSIGNED
    return signed in _UNSIGNED or is_intact(signed.decode("utf-8", "replace"))


def _signed(signature: str) -> bytes:
    padded = signature.rstrip("=") + "=" * (-len(signature.rstrip("=")) % 4)
    try:
        return base64.b64decode(padded.translate(_PLAIN), validate=True)
    except (binascii.Error, ValueError):
        return b""
