"""What a message is made of: text, images, thinking, tool calls, their results (3.3)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

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
