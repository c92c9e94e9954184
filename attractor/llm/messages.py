"""Messages: who says what in a conversation (3.1, 3.2).

What a message is made of: text, images, thinking, tool calls, their results (3.3).
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Self, cast

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.errors import ConfigurationError


class ContentKind(StrEnum):
    """Which sort of content a part holds."""

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
    """An image: its address (or a local path), or its bytes."""

    url: str | None = None
    data: bytes | None = None
    media_type: str | None = None
    detail: str | None = None

    def __post_init__(self) -> None:
        _one_source("an image", self.url, self.data)


@dataclass(frozen=True)
class AudioData:
    """A recording: its address, or its bytes."""

    url: str | None = None
    data: bytes | None = None
    media_type: str | None = None

    def __post_init__(self) -> None:
        _one_source("a recording", self.url, self.data)


@dataclass(frozen=True)
class DocumentData:
    """A document such as a PDF: its address, or its bytes."""

    url: str | None = None
    data: bytes | None = None
    media_type: str | None = None
    file_name: str | None = None

    def __post_init__(self) -> None:
        _one_source("a document", self.url, self.data)


@dataclass(frozen=True)
class ToolCallData:
    """A tool call as the model made it; `arguments` is the provider's text where it sent one."""

    id: str
    name: str
    arguments: JsonObject | str
    type: str = "function"


@dataclass(frozen=True)
class ToolResultData:
    """What a tool answered, with the id of the call it answers."""

    tool_call_id: str
    content: str | JsonObject | Sequence[Json]
    is_error: bool = False
    image_data: bytes | None = None
    image_media_type: str | None = None
    document: DocumentData | None = None


@dataclass(frozen=True)
class ThinkingData:
    """What the model thought: readable text, or opaque data when it is redacted."""

    text: str
    signature: str | None = None
    redacted: bool = False


@dataclass(frozen=True)
class ProviderData:
    """A provider's own item, kept as it came and given back to that provider alone.

    What its model thought is for that model alone; without one it is for all of the provider.
    """

    provider: str
    item: JsonObject
    model: str | None = None

    def is_of(self, model: str) -> bool:
        """Tell whether a model may be the one that said it."""
        return self.model in (None, model)


@dataclass(frozen=True)
class ContentPart:
    """One part of a message; `kind` says which field is filled."""

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
        wanted = _FIELDS.get(self.kind, "provider_data")
        filled = [name for name in _ALL_FIELDS if getattr(self, name) is not None]
        if filled not in ([wanted], [wanted, "provider_data"]):
            held = ", ".join(filled) or "nothing"
            raise ConfigurationError(
                f"a content part of kind {self.kind!s} holds {held}",
                hint=f"fill {wanted} and nothing else",
            )


def _one_source(noun: str, url: str | None, data: bytes | None) -> None:
    if (url is None) == (data is None):
        raise ConfigurationError(
            f"{noun} has either a url or data", hint="give exactly one of the two"
        )


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


class Role(StrEnum):
    """Who produced a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    DEVELOPER = "developer"


@dataclass(frozen=True)
class Message:
    """One message of a conversation; a role may be given by its name, and words as one text."""

    role: Role
    content: Sequence[ContentPart]
    name: str | None = None
    tool_call_id: str | None = None

    if TYPE_CHECKING:
        # More is taken than is kept.
        def __init__(
            self,
            role: Role | str,
            content: Sequence[ContentPart] | str,
            name: str | None = None,
            tool_call_id: str | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "role", _role(self.role))
        object.__setattr__(self, "content", _parts(self.content))

    @classmethod
    def system(cls, text: str) -> Self:
        """Instruct the model; typically the first message."""
        return cls(Role.SYSTEM, _text(text))

    @classmethod
    def developer(cls, text: str) -> Self:
        """Instruct the model in the application's name."""
        return cls(Role.DEVELOPER, _text(text))

    @classmethod
    def user(cls, text: str) -> Self:
        """Say something as the user."""
        return cls(Role.USER, _text(text))

    @classmethod
    def assistant(cls, text: str) -> Self:
        """Say something as the model."""
        return cls(Role.ASSISTANT, _text(text))

    @classmethod
    def tool_result(
        cls,
        tool_call_id: str,
        content: str | JsonObject | Sequence[Json],
        *,
        is_error: bool = False,
    ) -> Self:
        """Answer a tool call."""
        result = ToolResultData(tool_call_id, content, is_error)
        part = ContentPart(ContentKind.TOOL_RESULT, tool_result=result)
        return cls(Role.TOOL, (part,), tool_call_id=tool_call_id)

    @property
    def text(self) -> str:
        """The text of all parts that are text."""
        return "".join(part.text or "" for part in self.content)


def _role(given: object) -> Role:
    try:
        return Role(cast("str", given))
    except ValueError:
        raise ConfigurationError(
            f"nobody speaks in the role {given!r}", hint=f"one of {', '.join(Role)}"
        ) from None


def _parts(given: object) -> Sequence[ContentPart]:
    if isinstance(given, str):
        return _text(given)
    strange = given
    if isinstance(given, Sequence):
        parts = cast("Sequence[object]", given)
        if all(isinstance(one, ContentPart) for one in parts):
            return cast("Sequence[ContentPart]", given)
        strange = next(one for one in parts if not isinstance(one, ContentPart))
    raise ConfigurationError(
        f"a {type(strange).__name__} is no content of a message",
        hint="give a text, or a list of ContentPart, each made like"
        ' ContentPart(ContentKind.TEXT, text="...")',
    )


def _text(text: str) -> Sequence[ContentPart]:
    return (ContentPart(ContentKind.TEXT, text=text),)
