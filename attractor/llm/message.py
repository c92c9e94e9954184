"""Messages: who says what in a conversation (3.1, 3.2)."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Self, cast

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.content import ContentKind, ContentPart, ToolResultData
from attractor.llm.errors import ConfigurationError


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
