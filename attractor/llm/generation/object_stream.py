"""Streams an object while the model writes it, and checks it at the end (4.6)."""

import re
from enum import Enum, auto
from typing import Self, TypeAlias, Unpack

from attractor.base.errors import NotCanonical
from attractor.base.json import DEEPEST, Json, JsonObject, parse_json
from attractor.llm.generation.objects import read_object, read_object_generation
from attractor.llm.generation.options import GenerateOptions
from attractor.llm.generation.text_stream import StreamResult, stream_generation
from attractor.llm.response import GenerateResult
from attractor.llm.stream_events import StreamEvent, StreamEventType

Container = dict[str, Json] | list[Json]
_SPACE = re.compile(r"[ \t\n\r]*")
_LETTERS = re.compile(r'[^"\\\x00-\x1f\ud800-\udfff]+')
# Half a character alone is none: one that is written as two escapes is read when both are there.
_ESCAPE = re.compile(
    r'\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}'
    r"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)
_LONGEST_ESCAPE = len(r"\ud83d\ude00")
_BARE = re.compile(r"[-+.0-9a-zA-Z]+")
# Longer than any number that Python reads.
_LONGEST_BARE = 5000


class _Expects(Enum):
    """What comes next, unless a text is open."""

    OBJECT = auto()
    KEY_OR_END = auto()
    KEY = auto()
    COLON = auto()
    VALUE_OR_END = auto()
    VALUE = auto()
    MORE_OR_END = auto()


_KEYS = (_Expects.KEY, _Expects.KEY_OR_END)
_VALUES = (_Expects.VALUE, _Expects.VALUE_OR_END)
_ENDS = (_Expects.KEY_OR_END, _Expects.VALUE_OR_END, _Expects.MORE_OR_END)


class _NoJSONError(ValueError):
    """This cannot become JSON any more."""


class _Open:
    """A container that is not closed yet, and so no member of the one around it."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.key: str | None = None

    def add(self, value: Json) -> None:
        if isinstance(self.container, list):
            self.container.append(value)
        elif self.key is not None:
            self.container[self.key] = value
            self.key = None

    def pictured(self, last: list[Json]) -> Container:
        """Return a copy, with the member that is open if there is one."""
        if isinstance(self.container, list):
            return [*self.container, *last]
        copy = self.container.copy()
        if self.key is not None and last:
            copy[self.key] = last[0]
        return copy


class GrowingObject:
    """An object of which piece after piece is read."""

    def __init__(self) -> None:
        self._expects = _Expects.OBJECT
        self._open: list[_Open] = []
        self._text: list[str] | None = None
        self._rest = ""
        self._whole: JsonObject | None = None
        self._is_over = False
        self._has_grown = False

    @property
    def value(self) -> JsonObject | None:
        """What is sure of it, None before it begins; not to be changed by whoever gets it."""
        last: list[Json] = []
        if self._text is not None and self._expects not in _KEYS:
            self._text = ["".join(self._text)]
            last = [*self._text]
        picture: Container | None = None
        for one in reversed(self._open):
            picture = one.pictured(last)
            last = [picture]
        return picture if isinstance(picture, dict) else self._whole

    def feed(self, piece: str) -> bool:
        """Read one more piece; tell whether more is sure now. What stands behind it is nothing."""
        self._has_grown = False
        text, at = self._rest + piece, 0
        try:
            while not self._is_over and (to := self._read(text, at)) > at:
                at = to
        except _NoJSONError:
            self._is_over = True
        self._rest = "" if self._is_over else text[at:]
        return self._has_grown

    def _read(self, text: str, at: int) -> int:
        """Read what comes next, and return where it ends: at its beginning, if some is missing."""
        if self._text is not None:
            return self._read_text(self._text, text, at)
        at = _end(_SPACE, text, at)
        if at == len(text):
            return at
        letter = text[at]
        if letter in "}]" and self._expects in _ENDS:
            return self._close(letter, at)
        if self._expects in _VALUES:
            return self._read_value(letter, text, at)
        self._read_mark(letter)
        return at + 1

    def _read_mark(self, letter: str) -> None:
        """Read a letter that stands for itself."""
        match self._expects:
            case _Expects.COLON if letter == ":":
                self._expects = _Expects.VALUE
            case _Expects.MORE_OR_END if letter == ",":
                of_object = isinstance(self._open[-1].container, dict)
                self._expects = _Expects.KEY if of_object else _Expects.VALUE
            case _Expects.KEY | _Expects.KEY_OR_END if letter == '"':
                self._text = []
            case _Expects.OBJECT if letter == "{":
                self._begin({}, _Expects.KEY_OR_END)
            case _:
                raise _NoJSONError

    def _read_value(self, letter: str, text: str, at: int) -> int:
        match letter:
            case "{":
                self._begin({}, _Expects.KEY_OR_END)
            case "[":
                self._begin([], _Expects.VALUE_OR_END)
            case '"':
                self._expects, self._text, self._has_grown = _Expects.VALUE, [], True
            case _:
                return self._read_bare(text, at)
        return at + 1

    def _read_bare(self, text: str, at: int) -> int:
        """Read a number or a word, which ends where something else begins."""
        end = _end(_BARE, text, at)
        if end == len(text):
            if end - at > _LONGEST_BARE:
                raise _NoJSONError
            return at
        self._add(_parsed(text[at:end]))
        self._has_grown = True
        return end

    def _read_text(self, pieces: list[str], text: str, at: int) -> int:
        if at == len(text):
            return at
        if text[at] == '"':
            self._text = None
            self._end_text("".join(pieces))
            return at + 1
        if end := _end(_LETTERS, text, at) - at:
            pieces.append(text[at : at + end])
        elif found := _ESCAPE.match(text, at):
            end = len(found[0])
            pieces.append(str(_parsed(f'"{found[0]}"')))
        elif text[at] != "\\" or len(text) - at >= _LONGEST_ESCAPE:
            raise _NoJSONError
        self._has_grown |= bool(end) and self._expects not in _KEYS
        return at + end

    def _end_text(self, text: str) -> None:
        if self._expects not in _KEYS:
            self._add(text)
            return
        innermost = self._open[-1]
        if text in innermost.container:
            # Which of the two counts, nobody can say.
            raise _NoJSONError
        innermost.key = text
        self._expects = _Expects.COLON

    def _begin(self, container: Container, expects: _Expects) -> None:
        if len(self._open) == DEEPEST:
            raise _NoJSONError
        self._open.append(_Open(container))
        self._expects, self._has_grown = expects, True

    def _close(self, letter: str, at: int) -> int:
        container = self._open[-1].container
        if (letter == "}") != isinstance(container, dict):
            raise _NoJSONError
        self._open.pop()
        if self._open:
            self._add(container)
        elif isinstance(container, dict):
            self._whole, self._is_over = container, True
        return at + 1

    def _add(self, value: Json) -> None:
        self._open[-1].add(value)
        self._expects = _Expects.MORE_OR_END


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _parsed(text: str) -> Json:
    try:
        return parse_json(text)
    except NotCanonical:
        raise _NoJSONError from None


# The method of this name hides the type in its class.
_Exit: TypeAlias = object
_BEGINNING = re.compile(r"^[ \t]*(?=\{)", re.MULTILINE)


def stream_object(
    model: str,
    prompt: str | None = None,
    *,
    schema: JsonObject,
    **options: Unpack[GenerateOptions],
) -> "ObjectStreamResult":
    """Ask a model for an object and see it grow; at its end it is valid against the schema.

    It takes what `generate_object` takes, and asks when the first part is asked for.
    """
    wanted = read_object_generation(model, prompt, schema, options)
    return ObjectStreamResult(stream_generation(wanted), schema)


class ObjectStreamResult:
    """The object as far as it is sure, again and again; each holds what the one before held.

    The last one is whole and valid, or a NoObjectGeneratedError is raised. What is whole within is
    shared among them: change nothing in them.
    """

    def __init__(self, events: StreamResult, schema: JsonObject) -> None:
        self._events = events
        self._schema = schema
        self._writing = _Writing()
        self._partial: JsonObject | None = None
        self._result: GenerateResult | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JsonObject:
        async for event in self._events:
            if self._hears_more(event):
                self._partial = self._writing.value
                if self._partial is not None:
                    return self._partial
        whole = self.whole()
        if whole == self._partial:
            raise StopAsyncIteration
        self._partial = whole
        return whole

    @property
    def partial_object(self) -> JsonObject | None:
        """The object as far as it is sure, None before it begins."""
        return self._partial

    async def object(self) -> JsonObject:
        """Return the whole object, after listening to what is left."""
        await self.result()
        return self.whole()

    async def result(self) -> GenerateResult:
        """Return all steps with the object as their `output`, after listening to what is left."""
        async for _ in self:
            pass
        return self.outcome()

    def outcome(self) -> GenerateResult:
        """Return what came of a stream that has come to its end; raises what it ended with."""
        if self._result is None:
            self._result = read_object(self._events.outcome(), self._schema)
        return self._result

    def whole(self) -> JsonObject:
        """Return the object of a stream that has come to its end; raises what it ended with."""
        output = self.outcome().output
        assert isinstance(output, dict)
        return output

    async def aclose(self) -> None:
        """End it: close the connection, and end the tools that are at work."""
        await self._events.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: _Exit) -> None:
        await self.aclose()

    def _hears_more(self, event: StreamEvent) -> bool:
        if event.type == "step_finish":
            # What the model says to the results of its tools is another answer.
            self._writing = _Writing()
        is_text = event.type == StreamEventType.TEXT_DELTA
        return is_text and self._writing.goes_on(event.delta or "")


class _Writing:
    """What a model writes: an object that begins a line, maybe with words around it."""

    def __init__(self) -> None:
        self._line = ""
        self._object: GrowingObject | None = None

    @property
    def value(self) -> JsonObject | None:
        return None if self._object is None else self._object.value

    def goes_on(self, piece: str) -> bool:
        """Read one more piece; tell whether more of the object is sure now."""
        if self._object is not None:
            return self._object.feed(piece)
        text = self._line + piece
        found = _BEGINNING.search(text)
        if found is None:
            # Of a line only matters whether it may still begin with the object.
            line = text.rpartition("\n")[2]
            self._line = line.strip()[:1] or line[:1]
            return False
        self._object = GrowingObject()
        return self._object.feed(text[found.end() :])
