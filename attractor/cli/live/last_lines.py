"""What a stage said last, as far as events tell: words of a model, and what its tools printed."""

from collections.abc import Callable, Mapping

from attractor.base.events import Event
from attractor.base.json import Json
from attractor.cli.live.view import LAST_LINES
from attractor.language.source.text import visible

LONGEST_LINE = 300


def said_by(event: Event) -> tuple[str, ...]:
    """Return the last lines of what an event tells; no terminal shall obey them."""
    words = _WORDS.get(event.type)
    return shown_lines(words(event)) if words else ()


def shown_lines(text: str, most: int = LAST_LINES) -> tuple[str, ...]:
    """Return the last lines of a text as a terminal may show them."""
    told = [line.rstrip()[:LONGEST_LINE] for line in text.splitlines() if line.strip()]
    return tuple(visible(line.expandtabs(4)) for line in told[-most:])


def _call(event: Event) -> str:
    name, arguments = event.data.get("tool_name"), event.data.get("arguments")
    first = next(iter(arguments.values()), "") if isinstance(arguments, Mapping) else arguments
    words = _text(first).strip().splitlines() or [""]
    return f"{_text(name)}: {words[0]}"


def _result(event: Event) -> str:
    return _text(event.data.get("error")) or _text(event.data.get("output"))


def _text(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


_WORDS: Mapping[str, Callable[[Event], str]] = {
    "TOOL_CALL_START": _call,
    "TOOL_CALL_END": _result,
    "ASSISTANT_TEXT_END": lambda event: _text(event.data.get("text")),
    "WARNING": lambda event: _text(event.data.get("message")),
    "ChildSteered": lambda event: f"steered: {_text(event.data.get('text'))}",
    "OutcomeAssumed": lambda event: _text(event.data.get("reason")),
}
