"""What may be shown in a request to Gemini's generateContent."""

import re

from attractor.twins.wires.media import is_base64

_TAKEN = re.compile(r"(image|audio|video|text)/[\w.+-]+|application/(pdf|json)")
# What may stand within a result of a function.
_IN_RESULTS = re.compile(r"image/(png|jpeg|webp)|application/pdf|text/plain")


def find_media_fault(mime_type: str, data: str | None, *, in_result: bool = False) -> str:
    """Return what the provider would say of a file; one without data is fetched from elsewhere."""
    taken = _IN_RESULTS if in_result else _TAKEN
    if not taken.fullmatch(mime_type):
        return f"Unsupported MIME type: {mime_type}"
    if data is not None and not is_base64(data):
        return "Invalid value (TYPE_BYTES): Base64 decoding failed."
    return ""
