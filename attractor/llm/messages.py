"""The messages of a conversation with a model, and the media in messages."""

import base64
import mimetypes
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar, cast
from urllib.parse import unquote_to_bytes

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.base.records import read_record, write_record
from attractor.llm.errors import ConfigurationError, invalid_value

T = TypeVar("T")


class ContentKind(StrEnum):
    """The kind of a content part."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    DOCUMENT = "document"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    THINKING = "thinking"
    REDACTED_THINKING = "redacted_thinking"


@dataclass(frozen=True)
class ImageData:
    """An image: a URL or local path, or bytes."""

    url: str | None = None
    data: bytes | None = None
    media_type: str | None = None
    detail: str | None = None

    if TYPE_CHECKING:
        # Converted in __post_init__.
        def __init__(
            self,
            url: str | Path | None = None,
            data: bytes | None = None,
            media_type: str | None = None,
            detail: str | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _source("an image", self.url, self.data))


@dataclass(frozen=True)
class AudioData:
    """An audio recording: a URL or local path, or bytes."""

    url: str | None = None
    data: bytes | None = None
    media_type: str | None = None

    if TYPE_CHECKING:
        # Converted in __post_init__.
        def __init__(
            self,
            url: str | Path | None = None,
            data: bytes | None = None,
            media_type: str | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _source("a recording", self.url, self.data))


@dataclass(frozen=True)
class DocumentData:
    """A document such as a PDF: a URL or local path, or bytes."""

    url: str | None = None
    data: bytes | None = None
    media_type: str | None = None
    file_name: str | None = None

    if TYPE_CHECKING:
        # Converted in __post_init__.
        def __init__(
            self,
            url: str | Path | None = None,
            data: bytes | None = None,
            media_type: str | None = None,
            file_name: str | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _source("a document", self.url, self.data))


@dataclass(frozen=True)
class ToolCallData:
    """A tool call of a model; `arguments` is text if the provider sent text."""

    id: str
    name: str
    arguments: JsonObject | str
    type: str = "function"


@dataclass(frozen=True)
class ToolResultData:
    """The result of a tool call."""

    tool_call_id: str
    content: str | JsonObject | Sequence[Json]
    is_error: bool = False
    image_data: bytes | None = None
    image_media_type: str | None = None
    document: DocumentData | None = None


@dataclass(frozen=True)
class ThinkingData:
    """The thinking of a model: readable text, or opaque data if redacted."""

    text: str
    signature: str | None = None
    redacted: bool = False


@dataclass(frozen=True)
class ProviderData:
    """An item in a provider's own format; it is only sent back to this provider.

    An item with a model, such as thinking, is only valid for this model.
    """

    provider: str
    item: JsonObject
    model: str | None = None

    def is_valid_for(self, model: str) -> bool:
        """Return whether the item can be sent back to a model."""
        return self.model in (None, model)


@dataclass(frozen=True)
class ContentPart:
    """A part of a message; `kind` decides which field is set."""

    kind: ContentKind | str
    text: str | None = None
    image: ImageData | None = None
    audio: AudioData | None = None
    document: DocumentData | None = None
    tool_call: ToolCallData | None = None
    tool_result: ToolResultData | None = None
    thinking: ThinkingData | None = None
    provider_data: ProviderData | None = None

    def __post_init__(self) -> None:
        for name, type_ in _FIELD_TYPES.items():
            value = getattr(self, name)
            if isinstance(value, Path) and type_ in _NOUNS:
                object.__setattr__(self, name, type_(value))
            elif value is not None and not isinstance(value, type_):
                raise invalid_value(f"{name} of a content part", value, f"a {type_.__name__}")
        expected = _FIELDS.get(self.kind, "provider_data")
        fields = [name for name in _ALL_FIELDS if getattr(self, name) is not None]
        if fields not in ([expected], [expected, "provider_data"]):
            raise ConfigurationError(
                f"invalid fields of a content part of kind {self.kind!s}: "
                f"{', '.join(fields) or 'none'}",
                hint=f"set {expected} only",
            )


def _source(noun: str, url: object, data: object) -> str | None:
    """Return the URL or local path of media; a path object becomes a local path."""
    if (url is None) == (data is None):
        fault = "neither" if url is None else "both"
        raise ConfigurationError(f"{noun} has {fault} url and data", hint="set exactly one of them")
    if url is None:
        if not isinstance(data, bytes):
            raise invalid_value(f"data of {noun}", data, "bytes; pass base64 as a data: URL")
        return None
    if isinstance(url, Path):
        return str(url) if str(url).startswith(_LOCAL) else f"./{url}"
    if not isinstance(url, str):
        raise invalid_value(f"url of {noun}", url, "a URL as text, or a Path")
    if url.startswith(_FILE):
        path = unquote_to_bytes(url.removeprefix(_FILE)).decode(errors="replace")
        raise ConfigurationError(f"unsupported file: URL of {noun}", hint=f"pass the path {path}")
    if not url.startswith((*_LOCAL, _DATA)) and "://" not in url:
        raise ConfigurationError(
            f"invalid URL of {noun}: {url[:80]!r}", hint=f"write ./{url[:80]} for a local file"
        )
    return url


_FIELDS: Mapping[str, str] = {
    ContentKind.TEXT: "text",
    ContentKind.IMAGE: "image",
    ContentKind.AUDIO: "audio",
    ContentKind.DOCUMENT: "document",
    ContentKind.TOOL_CALL: "tool_call",
    ContentKind.TOOL_RESULT: "tool_result",
    ContentKind.THINKING: "thinking",
    ContentKind.REDACTED_THINKING: "thinking",
}
_ALL_FIELDS = (*dict.fromkeys(_FIELDS.values()), "provider_data")
_FIELD_TYPES: Mapping[str, type] = {
    "text": str,
    "image": ImageData,
    "audio": AudioData,
    "document": DocumentData,
    "tool_call": ToolCallData,
    "tool_result": ToolResultData,
    "thinking": ThinkingData,
    "provider_data": ProviderData,
}


class Role(StrEnum):
    """The author of a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    DEVELOPER = "developer"


@dataclass(frozen=True)
class Message:
    """A message of a conversation; the role may be a name, and the content a text.

    Where messages are passed, a dict such as `{"role": "user", "content": "Hello."}` is accepted.
    """

    role: Role
    content: Sequence[ContentPart]
    name: str | None = None
    tool_call_id: str | None = None

    if TYPE_CHECKING:
        # Converted in __post_init__.
        def __init__(
            self,
            role: Role | str,
            content: Sequence[ContentPart] | str,
            name: str | None = None,
            tool_call_id: str | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        try:
            role = Role(cast("str", self.role))
        except ValueError:
            raise ConfigurationError(
                f"unknown role {self.role!r}", hint=f"use one of {', '.join(Role)}"
            ) from None
        object.__setattr__(self, "role", role)
        object.__setattr__(self, "content", _parts(self.content))

    @classmethod
    def system(cls, text: str) -> Self:
        """Return an instruction to the model; typically the first message."""
        return cls(Role.SYSTEM, _text(text))

    @classmethod
    def developer(cls, text: str) -> Self:
        """Return an instruction of the application."""
        return cls(Role.DEVELOPER, _text(text))

    @classmethod
    def user(cls, text: str) -> Self:
        """Return a message of the user."""
        return cls(Role.USER, _text(text))

    @classmethod
    def assistant(cls, text: str) -> Self:
        """Return a message of the model."""
        return cls(Role.ASSISTANT, _text(text))

    @classmethod
    def tool_result(
        cls,
        tool_call_id: str,
        content: str | JsonObject | Sequence[Json],
        *,
        is_error: bool = False,
        image_data: bytes | None = None,
        image_media_type: str | None = None,
    ) -> Self:
        """Return the result of a tool call."""
        result = ToolResultData(
            tool_call_id,
            content,
            is_error,
            image_data=image_data,
            image_media_type=image_media_type,
        )
        part = ContentPart(ContentKind.TOOL_RESULT, tool_result=result)
        return cls(Role.TOOL, (part,), tool_call_id=tool_call_id)

    @property
    def text(self) -> str:
        """The text of all parts that are text."""
        return "".join(part.text or "" for part in self.content)

    def to_dict(self) -> dict[str, Json]:
        """Return the message as JSON, with bytes in base64."""
        return write_record(self)

    @classmethod
    def from_dict(cls, record: JsonObject) -> Self:
        """Return the message of `to_dict`; the content can be a text."""
        content = record.get("content")
        parts: Json = [{"kind": "text", "text": content}] if isinstance(content, str) else content
        return from_record(cls, {**record, "content": parts} if content is not None else record)


def from_record(type_: type[T], record: JsonObject) -> T:
    """Read a dataclass from JSON, or raise a ConfigurationError."""
    try:
        return read_record(type_, record)
    except ConfigurationError:
        raise
    except UsageError as cause:
        raise ConfigurationError(cause.message, hint=cause.hint) from cause


def read_messages(messages: object) -> Sequence[Message]:
    """Return messages; a dict with `role` and `content` becomes a message."""
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes):
        raise invalid_value("messages", messages, 'a list, such as [Message.user("Hello.")]')
    given = cast("Sequence[object]", messages)
    if all(isinstance(message, Message) for message in given):
        return cast("Sequence[Message]", messages)
    return [_message(message) for message in given]


def _message(message: object) -> Message:
    if isinstance(message, Message):
        return message
    if isinstance(message, Mapping):
        return Message.from_dict(cast("JsonObject", message))
    raise invalid_value("message", message, 'a Message, or {"role": "user", "content": "Hello."}')


def _parts(content: object) -> Sequence[ContentPart]:
    if isinstance(content, str):
        return _text(content)
    invalid = content
    if isinstance(content, Sequence):
        parts = cast("Sequence[object]", content)
        if all(isinstance(part, ContentPart) for part in parts):
            return tuple(cast("Sequence[ContentPart]", parts))
        invalid = next(part for part in parts if not isinstance(part, ContentPart))
    raise ConfigurationError(
        f"invalid message content of type {type(invalid).__name__}",
        hint='pass a text, or a list of parts like ContentPart(ContentKind.TEXT, text="...")',
    )


def _text(text: str) -> Sequence[ContentPart]:
    return (ContentPart(ContentKind.TEXT, text=text),)


Media = ImageData | AudioData | DocumentData
_LOCAL = ("/", "./", "../", "~")
_FILE = "file://"
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
    """Return the encoded content of media; None if the provider fetches the content from a URL."""
    if media.data is not None:
        return _encoded(media.data, media_type(media))
    if media.url is not None and media.url.startswith(_DATA):
        return _encoded(_decode_url(media.url, _NOUNS[type(media)]), media_type(media))
    if media.url is None or not media.url.startswith(_LOCAL):
        return None
    path = Path(media.url)
    try:
        content = path.expanduser().read_bytes()
    except (OSError, RuntimeError) as cause:
        noun = _NOUNS[type(media)]
        raise ConfigurationError(f"cannot read the {noun} {path}: {cause}") from cause
    return _encoded(content, media_type(media))


def media_type(media: Media) -> str:
    """Return the explicit media type, otherwise the type by file name, otherwise the default."""
    if media.media_type:
        return media.media_type
    if media.url is not None and media.url.startswith(_DATA):
        in_url = media.url.removeprefix(_DATA).partition(",")[0].partition(";")[0]
        return in_url or _DEFAULT_TYPES[type(media)]
    guessed, _ = mimetypes.guess_type(_name(media))
    return guessed or _DEFAULT_TYPES[type(media)]


def read_image(data: Json, media_type: Json) -> ImageData | None:
    """Return an image that a provider sent in base64; None if the base64 is invalid."""
    if not isinstance(data, str) or not isinstance(media_type, str):
        return None
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        return None
    return ImageData(None, content, media_type) if media_type.startswith("image/") else None


def file_name(document: DocumentData) -> str:
    """Return the name of a document, otherwise of its local file, otherwise an empty text."""
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


def _encoded(content: bytes, media_type: str) -> InlineMedia:
    return InlineMedia(media_type, base64.b64encode(content).decode("ascii"))
