"""Bodies without what is secret in them, be they JSON, text or parts of a form."""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable

from attractor.twins.hidden_keys import HIDDEN
from attractor.twins.services.secret_names import is_secret_name
from attractor.twins.services.secrets_in_texts import without_secrets_in_text

_BOUNDARY = re.compile(r'multipart/.*;\s*boundary=(?:"([^"]+)"|([^\s;]+))', re.IGNORECASE)
_NAME = re.compile(r'[;\s]name\*?=(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))', re.IGNORECASE)
_HEAD_ENDS = re.compile(r"\r?\n\r?\n")
_LAST_LINE = re.compile(r"\r?\n\Z")


def hidden_body(content: bytes, content_type: str, without_keys: Callable[[str], str]) -> bytes:
    """Return a body with its keys hidden, and with what its names say is secret."""
    text, letters = _decoded(content)
    boundary = _BOUNDARY.match(content_type.strip())
    text = without_keys(text)
    if boundary:
        text = _parts(text, f"--{boundary[1] or boundary[2]}")
    else:
        text = without_secrets_in_text(text)
    return text.encode(letters, "surrogateescape")


def _decoded(content: bytes) -> tuple[str, str]:
    """Return a body as text, and how to make bytes of it again; what is no text comes back too."""
    for mark, letters in ((BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be")):
        if content.startswith(mark):
            try:
                return content.decode(letters), letters
            except UnicodeDecodeError:
                break
    return content.decode("utf-8", "surrogateescape"), "utf-8"


def _parts(text: str, boundary: str) -> str:
    return boundary.join(_part(one) for one in text.split(boundary))


def _part(part: str) -> str:
    ends = _HEAD_ENDS.search(part)
    if ends is None:
        return part
    head, value = part[: ends.start()], part[ends.end() :]
    last = _LAST_LINE.search(value)
    tail = last[0] if last else ""
    value = value.removesuffix(tail)
    named = _NAME.search(head)
    if value and named and is_secret_name(named[1] or named[2]):
        value = HIDDEN
    else:
        value = without_secrets_in_text(value)
    return f"{head}{ends[0]}{value}{tail}"
