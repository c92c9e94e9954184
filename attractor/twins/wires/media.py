"""Reads images, files and the like as providers take them, and says what is wrong with one."""

import base64
from typing import NamedTuple

IMAGES = ("image/gif", "image/jpeg", "image/png", "image/webp")
_DATA, _BASE64 = "data:", ";base64"


class DataUrl(NamedTuple):
    """What a `data:` address says it is, and whether its content is base64."""

    media_type: str
    is_base64: bool


def is_base64(data: str) -> bool:
    """Tell whether a text is something in base64."""
    try:
        return bool(base64.b64decode(data, validate=True))
    except ValueError:
        return False


def read_data_url(url: str) -> DataUrl | None:
    """Return what a `data:` address says, None when it is another one."""
    if not url.startswith(_DATA):
        return None
    head, _, body = url.removeprefix(_DATA).partition(",")
    media_type, _, _ = head.partition(";")
    return DataUrl(media_type, head.endswith(_BASE64) and is_base64(body))


def is_fetched(url: str) -> bool:
    """Tell whether a provider would fetch from an address."""
    return url.startswith(("http://", "https://"))
