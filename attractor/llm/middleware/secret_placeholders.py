"""Puts placeholders in the place of secrets in a request, and secrets in theirs in an answer.

Finds where secrets stand in a text: values that are known, and what looks like some pattern.

Puts secrets back into a stream, also where a placeholder comes in pieces.

What keys of well-known services look like.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json
from attractor.llm.messages import ContentPart
from attractor.llm.response import Response
from attractor.llm.stream_events import StreamEvent, StreamEventType
from attractor.llm.tools import ToolCall

Span = tuple[int, int]


@dataclass(frozen=True)
class Finder:
    """What is looked for: each form of a known value with its place among them, and patterns."""

    forms: Mapping[str, int]
    values: Sequence[str]
    patterns: Sequence[re.Pattern[str]]

    def spans(self, text: str) -> Sequence[Span]:
        """Return where the secrets are, in order; those that overlap are one."""
        found: list[Span] = []
        for begin, end in sorted(self._each(text)):
            if found and begin < found[-1][1]:
                found[-1] = found[-1][0], max(end, found[-1][1])
            else:
                found.append((begin, end))
        return found

    def _each(self, text: str) -> Iterator[Span]:
        for form in self.forms:
            begin = text.find(form)
            while begin >= 0:
                yield begin, begin + len(form)
                begin = text.find(form, begin + len(form))
        for pattern in self.patterns:
            yield from (one.span() for one in pattern.finditer(text) if one[0])


def finder_of(values: Sequence[str], patterns: Sequence[re.Pattern[str]]) -> Finder:
    """Return what looks for values, as they are and as JSON writes them, and for patterns."""
    forms: dict[str, int] = {}
    for number, value in enumerate(values, 1):
        for form in (value, escaped(value), json.dumps(value)[1:-1]):
            forms.setdefault(form, number)
    return Finder(forms, values, patterns)


def escaped(text: str) -> str:
    """Return a text as JSON writes it, without its quotes."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def unescaped(text: str) -> str:
    """Return what a text says if it is one as JSON writes it, else the text."""
    if "\\" not in text:
        return text
    try:
        return json.loads(f'"{text}"')
    except ValueError:
        return text


PLACEHOLDER = re.compile(r"\[secret-(x*)\d+\]")
_OPAQUE = frozenset({"signature", "thoughtSignature", "encrypted_content", "data"})
"""Where providers keep what nobody but them can read, in items of their own."""
_WRITTEN = "arguments"
"""Where they keep JSON as a text."""

Structured = str | JsonObject | Sequence[Json]
_Change = Callable[[str], str]


class Replacing:
    """Replaces the secrets of one request, and knows afterwards which placeholder stands for what.

    The same secret always has the same placeholder: a value that is known by its place among the
    known ones, one that was found by a pattern in the order of finding. `mark` stands in them all.
    """

    def __init__(self, finder: Finder, mark: str = "") -> None:
        self._finder = finder
        self._mark = mark
        self._found: dict[str, int] = {}
        self._literal: dict[str, str] = {}
        self.places = 0
        self.secrets: dict[str, str] = {}

    @property
    def is_mistakable(self) -> bool:
        """Whether a text held, as words of its own, what stands for a secret."""
        return not self._literal.keys().isdisjoint(self.secrets)

    @property
    def free_mark(self) -> str:
        """A mark that no such word has; for the same texts it is the same."""
        taken = set(self._literal.values())
        return next("x" * length for length in count(1) if "x" * length not in taken)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        self._literal |= {found[0]: found[1] for found in PLACEHOLDER.finditer(text)}
        return self.unrestored(text)

    def unrestored(self, text: str) -> str:
        """Return a text of a model's that was never restored: placeholders in there are ours."""
        pieces, at = list[str](), 0
        # All are found in the text as it came: nothing is replaced in what was put in.
        for begin, end in self._finder.spans(text):
            pieces += text[at:begin], self._stand_in(text[begin:end])
            at = end
        return "".join([*pieces, text[at:]])

    def written(self, text: str) -> str:
        """Return a text of JSON without secrets: they are looked for in what it says."""
        return _written(text, self.text)

    def structured(self, value: Structured) -> Structured:
        """Return a text, an object or a list without secrets, keys included."""
        return cast(Structured, _changed(cast(Json, value), self.text))

    def object(self, value: JsonObject) -> JsonObject:
        """Return an object without secrets, keys included."""
        return cast(JsonObject, _changed(dict(value), self.text))

    def item(self, value: Json, key: str = "") -> Json:
        """Return a provider's own item without secrets; what it has sealed stays as it is."""
        if key in _OPAQUE:
            return value
        if isinstance(value, Mapping):
            return {name: self.item(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [self.item(one) for one in value]
        if key == _WRITTEN and isinstance(value, str):
            return _written(value, self.unrestored)
        return _changed(value, self.unrestored)

    def finds(self, text: str) -> bool:
        """Tell whether a text holds a secret."""
        return bool(self._finder.spans(text))

    def _stand_in(self, found: str) -> str:
        self.places += 1
        said, known = unescaped(found), self._finder.values
        number = self._finder.forms.get(found) or self._finder.forms.get(said)
        if number is not None:
            found = said = known[number - 1]
        else:
            number = self._found.setdefault(said, len(known) + len(self._found) + 1)
        placeholder = f"[secret-{self._mark}{number}]"
        # Where it stands only as JSON writes it, it comes back as it stands.
        if found == said or placeholder not in self.secrets:
            self.secrets[placeholder] = found
        return placeholder


class Restoring:
    """Puts secrets back where a model repeats their placeholders.

    With `is_json` what it says is JSON, so that each is put in as JSON writes it.
    """

    def __init__(self, secrets: Mapping[str, str], *, is_json: bool = False) -> None:
        self._secrets = secrets
        self._is_json = is_json

    def text(self, text: str) -> str:
        """Return a text that a model says with its secrets."""
        return self.written(text) if self._is_json else self._plain(text)

    def written(self, text: str) -> str:
        """Return a text of JSON with its secrets, each as JSON writes it."""
        return PLACEHOLDER.sub(lambda found: escaped(self._secrets.get(found[0], found[0])), text)

    def arguments(self, arguments: JsonObject | str) -> JsonObject | str:
        """Return the arguments of a tool call with their secrets."""
        if isinstance(arguments, str):
            return self.written(arguments)
        return cast(JsonObject, _changed(dict(arguments), self._plain))

    def begun(self, text: str) -> int:
        """Return where in a text a placeholder begins that may go on in the next piece."""
        begin = text.rfind("[")
        end = text[begin:]
        is_begun = begin >= 0 and any(one.startswith(end) for one in self._secrets if one != end)
        return begin if is_begun else len(text)

    def _plain(self, text: str) -> str:
        return PLACEHOLDER.sub(lambda found: self._secrets.get(found[0], found[0]), text)


def _changed(value: Json, change: _Change) -> Json:
    """Return a value of JSON with each of its texts changed, keys included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key): _changed(one, change) for key, one in value.items()}
    return [_changed(one, change) for one in value] if isinstance(value, list | tuple) else value


def _written(text: str, change: _Change) -> str:
    try:
        value = parse_json(text)
    except NotCanonical:
        return change(text)
    changed = _changed(value, change)
    # Unchanged it may still hold what some pattern finds in how it is written.
    return change(text) if changed == value else json.dumps(changed, ensure_ascii=False)


_ENDS = (StreamEventType.FINISH, StreamEventType.ERROR)


def restored(response: Response, restoring: Restoring) -> Response:
    """Return an answer with its secrets: in texts and tool calls, not in what was thought."""
    said = [_part(one, restoring) for one in response.message.content]
    return replace(response, message=replace(response.message, content=said))


class RestoredStream:
    """Restores one stream event by event, and holds back what may be half a placeholder."""

    def __init__(self, restoring: Restoring) -> None:
        self._restoring = restoring
        # The newest event of each text and each call, with what is held back of it.
        self._held: dict[str, tuple[StreamEvent, str]] = {}

    def events(self, event: StreamEvent) -> Iterator[StreamEvent]:
        """Yield what is to be told for one event of the provider."""
        match event.type:
            case StreamEventType.TEXT_DELTA:
                yield from self._piece(f"text {event.text_id}", event, event.delta or "")
            case StreamEventType.TOOL_CALL_DELTA if event.tool_call:
                piece = event.tool_call.raw_arguments or ""
                yield from self._piece(f"call {event.tool_call.id}", event, piece)
            case StreamEventType.TEXT_END:
                yield from self._rest(f"text {event.text_id}")
                yield self._whole(event)
            case _:
                for key in [*self._held] if event.type in _ENDS else []:
                    yield from self._rest(key)
                if event.tool_call and event.type == StreamEventType.TOOL_CALL_END:
                    yield from self._rest(f"call {event.tool_call.id}")
                yield self._whole(event)

    def _piece(self, key: str, event: StreamEvent, piece: str) -> Iterator[StreamEvent]:
        _, held = self._held.pop(key, (event, ""))
        text = held + piece
        begun = self._restoring.begun(text)
        if begun < len(text):
            self._held[key] = event, text[begun:]
            text = text[:begun]
        if text or not piece:
            yield self._told(event, text)

    def _rest(self, key: str) -> Iterator[StreamEvent]:
        if key in self._held:
            event, text = self._held.pop(key)
            yield self._told(event, text)

    def _told(self, event: StreamEvent, text: str) -> StreamEvent:
        if event.tool_call is None:
            return replace(event, delta=self._restoring.text(text))
        call = replace(event.tool_call, raw_arguments=self._restoring.written(text))
        return replace(event, tool_call=call)

    def _whole(self, event: StreamEvent) -> StreamEvent:
        if event.type == StreamEventType.TEXT_END and event.text is not None:
            return replace(event, text=self._restoring.text(event.text))
        if event.tool_call is not None:
            return replace(event, tool_call=self._call(event.tool_call))
        if event.response is not None:
            return replace(event, response=restored(event.response, self._restoring))
        return event

    def _call(self, call: ToolCall) -> ToolCall:
        arguments, raw = self._restoring.arguments(call.arguments), call.raw_arguments
        if isinstance(arguments, str):
            return call
        raw = raw and self._restoring.written(raw)
        return replace(call, arguments=arguments, raw_arguments=raw)


def _part(part: ContentPart, restoring: Restoring) -> ContentPart:
    if part.text is not None:
        return replace(part, text=restoring.text(part.text))
    if call := part.tool_call:
        return replace(part, tool_call=replace(call, arguments=restoring.arguments(call.arguments)))
    return part


WELL_KNOWN: tuple[str, ...] = (
    # Each begins with letters as they are: so a long text is searched quickly.
    r"sk-[A-Za-z0-9_-]{20,}",
    r"AIza[A-Za-z0-9_-]{35}",
    r"AKIA[A-Z0-9]{16}(?![A-Z0-9])",
    r"ASIA[A-Z0-9]{16}(?![A-Z0-9])",
    r"gh[pousr]_[A-Za-z0-9]{36,}",
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"glpat-[A-Za-z0-9_-]{20,}",
    r"xox[abprs]-[A-Za-z0-9-]{10,}",
    r"[sr]k_live_[A-Za-z0-9]{16,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]{1,20000}-----END [A-Z ]*PRIVATE KEY-----",
)
"""Patterns of keys: of models, clouds, code hosts, chats and payments, and private keys."""
