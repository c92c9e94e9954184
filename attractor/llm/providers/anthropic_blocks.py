"""Grows the content blocks of a message that Anthropic streams (7.7)."""

from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json
from attractor.llm.fields import Fields


@dataclass(frozen=True)
class Block:
    """A content block as far as it came, and the text of its input."""

    raw: JsonObject
    written: str = ""

    @property
    def kind(self) -> Json:
        """What sort of block it is."""
        return self.raw.get("type")

    @property
    def whole(self) -> JsonObject:
        """The block when nothing more comes."""
        return {**self.raw, "input": _input(self.written)} if self.written else self.raw


def grow(block: Block, delta: Fields) -> Block:
    """Add what came to a block; what nobody knows adds nothing."""
    match delta.text("type"):
        case "text_delta":
            return _longer(block, "text", "text", delta)
        case "thinking_delta":
            return _longer(block, "thinking", "thinking", delta)
        case "signature_delta":
            return _longer(block, "thinking", "signature", delta)
        case "input_json_delta":
            return replace(block, written=block.written + delta.text("partial_json"))
        case "citations_delta":
            return _cited(block, delta.object("citation"))
        case _:
            return block


def _longer(block: Block, kind: str, key: str, delta: Fields) -> Block:
    before = block.raw.get(key) or ""
    if block.kind != kind or not isinstance(before, str):
        raise delta.unlike("type", f"one for a block of type {block.kind}")
    return replace(block, raw={**block.raw, key: before + delta.text(key)})


def _cited(block: Block, citation: Fields) -> Block:
    before = block.raw.get("citations")
    cited = before if isinstance(before, list) else []
    return replace(block, raw={**block.raw, "citations": [*cited, dict(citation.raw)]})


def _input(written: str) -> Json:
    try:
        value = parse_json(written)
    except NotCanonical:
        value = None
    # A model that was cut off wrote half of it; whoever executes the call tells it so.
    return value if isinstance(value, dict) else written
