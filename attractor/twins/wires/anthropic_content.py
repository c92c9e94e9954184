"""What may be shown in a message to Anthropic's Messages API, and by whom."""

from collections.abc import Sequence
from typing import Protocol

from attractor.twins.wires.media import IMAGES, is_base64, is_fetched

_SHOWN = ("image", "document")
_RESULT = "tool_result"
_PDF, _TEXT = "application/pdf", "text/plain"


class Block(Protocol):
    """A block that may have a source."""

    @property
    def type(self) -> str:
        """What sort of block it is."""
        ...

    @property
    def source(self) -> dict[str, object] | None:
        """What it shows."""
        ...


def find_fault(block: Block) -> str:
    """Return what the provider would say of an image or a document, nothing when it is good."""
    if block.type not in _SHOWN:
        return ""
    if block.source is None:
        return f"{block.type}.source: Field required"
    source = {name: value for name, value in block.source.items() if isinstance(value, str)}
    kind = source.get("type", "")
    path = f"{block.type}.source.{kind}"
    match kind:
        case "url":
            fetched = is_fetched(source.get("url", ""))
            return "" if fetched else f"{path}.url: Only HTTP URLs are supported"
        case "base64":
            return _base64_fault(source, path, IMAGES if block.type == "image" else (_PDF,))
        case "text" if block.type == "document":
            fits = source.get("media_type") == _TEXT and source.get("data")
            return "" if fits else f"{path}: Input should be some data with the type '{_TEXT}'"
        case "content" | "file":
            return ""
        case _:
            return (
                f"{block.type}.source: Input tag {kind!r} does not match any of the expected tags"
            )


def order_fault(kinds: Sequence[str], role: str) -> str:
    """Return what the provider would say of the order of blocks, and of what a model shows."""
    if role == "assistant":
        shown = [kind for kind in kinds if kind in _SHOWN]
        return f"`{shown[0]}` blocks are not allowed in assistant messages" if shown else ""
    others = [index for index, kind in enumerate(kinds) if kind != _RESULT]
    last = max((index for index, kind in enumerate(kinds) if kind == _RESULT), default=-1)
    if others and others[0] < last:
        return "`tool_result` blocks have to come before any other content"
    return ""


def _base64_fault(source: dict[str, str], path: str, taken: Sequence[str]) -> str:
    if source.get("media_type") not in taken:
        known = ", ".join(repr(one) for one in taken)
        return f"{path}.media_type: Input should be {known}"
    return "" if is_base64(source.get("data", "")) else f"{path}.data: Invalid base64 data"
