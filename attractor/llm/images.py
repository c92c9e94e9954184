"""Makes an image fit to be sent: addresses stay, bytes and files become base64 (3.5)."""

import base64
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from attractor.base.errors import FileTrouble
from attractor.llm.content import ImageData

_LOCAL = ("/", "./", "~")
_DEFAULT_TYPE = "image/png"


@dataclass(frozen=True)
class InlineImage:
    """An image's bytes in base64."""

    media_type: str
    data: str

    @property
    def data_url(self) -> str:
        """The image as a `data:` address."""
        return f"data:{self.media_type};base64,{self.data}"


def inline(image: ImageData) -> InlineImage | None:
    """Return an image's content, or None when it is for the provider to fetch."""
    if image.data is not None:
        return _encoded(image.data, image.media_type or _DEFAULT_TYPE)
    if image.url is None or not image.url.startswith(_LOCAL):
        return None
    guessed, _ = mimetypes.guess_type(image.url)
    return _encoded(_read(Path(image.url)), image.media_type or guessed or _DEFAULT_TYPE)


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except (OSError, RuntimeError) as cause:
        raise FileTrouble(f"the image {path} cannot be read: {cause}") from cause


def _encoded(content: bytes, media_type: str) -> InlineImage:
    return InlineImage(media_type, base64.b64encode(content).decode("ascii"))
