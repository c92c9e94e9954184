"""Encodes images, audio and documents for sending: bytes and files become base64 (3.5)."""

import base64
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote_to_bytes

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.llm.errors import ConfigurationError
from attractor.llm.messages import AudioData, DocumentData, ImageData

Media = ImageData | AudioData | DocumentData
_LOCAL = ("/", "./", "~")
_DATA = "data:"
_BASE64 = ";base64"
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
    """Base64-encoded bytes and their media type."""

    media_type: str
    data: str

    @property
    def data_url(self) -> str:
        """The bytes as a `data:` URL."""
        return f"data:{self.media_type};base64,{self.data}"

    @property
    def content(self) -> bytes:
        """The decoded bytes."""
        return base64.b64decode(self.data)


def inline(media: Media) -> InlineMedia | None:
    """Return the encoded content of media; None if the provider fetches it from its URL."""
    if media.data is not None:
        return _encoded(media.data, media_type(media))
    if media.url is not None and media.url.startswith(_DATA):
        return _encoded(_decode_url(media.url, _NOUNS[type(media)]), media_type(media))
    if media.url is None or not media.url.startswith(_LOCAL):
        return None
    return _encoded(_read(Path(media.url), _NOUNS[type(media)]), media_type(media))


def media_type(media: Media) -> str:
    """Return the media type: the explicit one, by the file name, or the default."""
    if media.media_type:
        return media.media_type
    if media.url is not None and media.url.startswith(_DATA):
        in_url = media.url.removeprefix(_DATA).partition(",")[0].partition(";")[0]
        return in_url or _DEFAULT_TYPES[type(media)]
    guessed, _ = mimetypes.guess_type(_name(media))
    return guessed or _DEFAULT_TYPES[type(media)]


def read_image(data: Json, media_type: Json) -> ImageData | None:
    """Return an image that a provider sent in base64; None if it is invalid."""
    if not isinstance(data, str) or not isinstance(media_type, str):
        return None
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        return None
    return ImageData(None, content, media_type) if media_type.startswith("image/") else None


def file_name(document: DocumentData) -> str:
    """Return the name of a document or of its local file; empty if it has none."""
    if document.file_name:
        return document.file_name
    is_file = document.url is not None and document.url.startswith(_LOCAL)
    return Path(document.url or "").name if is_file else ""


def _name(media: Media) -> str:
    if media.url is None:
        return (media.file_name or "") if isinstance(media, DocumentData) else ""
    # A URL's query follows the name.
    return media.url if media.url.startswith(_LOCAL) else media.url.partition("?")[0]


def _decode_url(url: str, noun: str) -> bytes:
    """Return the content of a `data:` URL."""
    head, _, body = url.partition(",")
    content = unquote_to_bytes(body)
    if not head.endswith(_BASE64):
        return content
    try:
        return base64.b64decode(content, validate=True)
    except ValueError as cause:
        raise ConfigurationError(
            f"invalid base64 in the data: URL of the {noun}: {cause}",
            hint="pass the bytes as data",
        ) from cause


def _read(path: Path, noun: str) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except (OSError, RuntimeError) as cause:
        raise ConfigurationError(f"cannot read the {noun} {path}: {cause}") from cause


def _encoded(content: bytes, media_type: str) -> InlineMedia:
    return InlineMedia(media_type, base64.b64encode(content).decode("ascii"))
