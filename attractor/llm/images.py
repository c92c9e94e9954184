"""Makes images and the like fit to be sent: addresses stay, bytes and files turn base64 (3.5)."""

import base64
import mimetypes
from collections.abc import Mapping
from pathlib import Path

from attractor.base.errors import FileTrouble
from attractor.base.late_dataclass import dataclass
from attractor.llm.content import AudioData, DocumentData, ImageData

Media = ImageData | AudioData | DocumentData
_LOCAL = ("/", "./", "~")
_NOUNS: Mapping[type[Media], str] = {
    ImageData: "image",
    AudioData: "recording",
    DocumentData: "document",
}
_DEFAULT_TYPES: Mapping[type[Media], str] = {
    ImageData: "image/png",
    AudioData: "audio/wav",
    DocumentData: "application/pdf",
}


@dataclass(frozen=True)
class InlineMedia:
    """Bytes in base64, and what they are."""

    media_type: str
    data: str

    @property
    def data_url(self) -> str:
        """All of it as a `data:` address."""
        return f"data:{self.media_type};base64,{self.data}"


def inline(media: Media) -> InlineMedia | None:
    """Return the content of an image or the like, or None when it is for the provider to fetch."""
    if media.data is not None:
        return _encoded(media.data, media_type(media))
    if media.url is None or not media.url.startswith(_LOCAL):
        return None
    return _encoded(_read(Path(media.url), _NOUNS[type(media)]), media_type(media))


def media_type(media: Media) -> str:
    """Return what an image or the like is: as told, by its name, or what is usual."""
    guessed, _ = mimetypes.guess_type(_name(media))
    return media.media_type or guessed or _DEFAULT_TYPES[type(media)]


def _name(media: Media) -> str:
    if media.url is None:
        return (media.file_name or "") if isinstance(media, DocumentData) else ""
    # What is asked of an address stands behind the name.
    return media.url if media.url.startswith(_LOCAL) else media.url.partition("?")[0]


def _read(path: Path, noun: str) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except (OSError, RuntimeError) as cause:
        raise FileTrouble(f"the {noun} {path} cannot be read: {cause}") from cause


def _encoded(content: bytes, media_type: str) -> InlineMedia:
    return InlineMedia(media_type, base64.b64encode(content).decode("ascii"))
