"""Replaces secrets in requests, so that no model sees them."""

import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from attractor.base.json import Json, JsonObject
from attractor.base.patterns import REMEDY, compile_linear
from attractor.base.secret_search import TOO_SHORT, SecretSearch
from attractor.llm.client import Complete, Stream
from attractor.llm.errors import ConfigurationError
from attractor.llm.messages import ContentPart
from attractor.llm.request import Request
from attractor.llm.response import Response, Warning
from attractor.llm.stream_events import StreamEvent

# RE2 lacks their look-ahead and repetition; `re` searches for them in linear time, too.
_OF_PYTHON = (
    r"AKIA[A-Z0-9]{16}(?![A-Z0-9])",
    r"ASIA[A-Z0-9]{16}(?![A-Z0-9])",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]{1,20000}-----END [A-Z ]*PRIVATE KEY-----",
)
WELL_KNOWN: tuple[str, ...] = (
    *_OF_PYTHON,
    # Each begins with literal characters, which makes long texts quick to search.
    r"sk-[A-Za-z0-9_-]{20,}",
    r"AIza[A-Za-z0-9_-]{35}",
    r"gh[pousr]_[A-Za-z0-9]{36,}",
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"glpat-[A-Za-z0-9_-]{20,}",
    r"xox[abprs]-[A-Za-z0-9-]{10,}",
    r"[sr]k_live_[A-Za-z0-9]{16,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
)
"""Patterns of private keys, and of API keys for models, clouds, code hosts, chats and payments."""
PLACEHOLDER = "[secret]"
# Encrypted fields of providers' own items.
_OPAQUE = frozenset({"signature", "thoughtSignature", "encrypted_content", "data"})


class Redaction:
    """Replaces secrets with `[secret]` in all text of a request.

    Secrets are the known values, also encoded or split over lines, and text that matches patterns.
    A value of fewer than eight characters is only replaced as a whole word. An answer has a warning
    with the number of replacements.
    """

    def __init__(self, values: Iterable[str] = (), *, patterns: Iterable[str] = WELL_KNOWN) -> None:
        known = set(values)
        if any(len(value.strip()) < TOO_SHORT for value in known):
            raise ConfigurationError(
                f"a secret shorter than {TOO_SHORT} characters would match in many texts",
                hint="omit it, or use a longer secret",
            )
        self._search = SecretSearch(known)
        self._patterns = [_compile(pattern) for pattern in patterns]

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Replace the secrets in the request, and call the model."""
        redacted, warnings = self._redact(request)
        return (await next(redacted)).with_warnings(warnings)

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Replace the secrets in the request, and stream the answer of the model."""
        redacted, warnings = self._redact(request)
        async for event in next(redacted):
            yield event.with_warnings(warnings)

    def _redact(self, request: Request) -> tuple[Request, Sequence[Warning]]:
        redactor = _Redactor(self._search, self._patterns)
        redacted = redactor.request(request)
        if not redactor.count:
            return request, ()
        places = "1 place" if redactor.count == 1 else f"{redactor.count} places"
        return redacted, [Warning(f"replaced secrets in {places}", "secrets_replaced")]


class _Redactor:
    """Redacts one request and counts the replacements."""

    def __init__(self, search: SecretSearch, patterns: Sequence[Any]) -> None:
        self._search = search
        self._patterns = patterns
        self.count = 0

    def request(self, request: Request) -> Request:
        response_format = request.response_format
        if response_format is not None and response_format.json_schema is not None:
            schema = self._object(response_format.json_schema)
            response_format = replace(response_format, json_schema=schema)
        return replace(
            request,
            messages=[
                replace(message, content=[*self._parts(message.content)])
                for message in request.messages
            ],
            tools=[
                replace(
                    tool,
                    description=self._text(tool.description),
                    parameters=self._object(tool.parameters),
                )
                for tool in request.tools
            ],
            response_format=response_format,
            metadata={key: self._text(value) for key, value in request.metadata.items()},
        )

    def _parts(self, parts: Sequence[ContentPart]) -> Iterator[ContentPart]:
        for part in parts:
            thinking = part.thinking
            if thinking is not None and self._text(thinking.text) != thinking.text:
                # Left out: signed thinking must not be changed.
                continue
            if part.text is not None:
                part = replace(part, text=self._text(part.text))
            if call := part.tool_call:
                arguments = cast("JsonObject | str", self._json(call.arguments))
                part = replace(part, tool_call=replace(call, arguments=arguments))
            if result := part.tool_result:
                content = cast("str | JsonObject | Sequence[Json]", self._json(result.content))
                part = replace(part, tool_result=replace(result, content=content))
            if data := part.provider_data:
                item = self._object(data.item, opaque=_OPAQUE)
                part = replace(part, provider_data=replace(data, item=item))
            yield part

    def _object(self, value: JsonObject, *, opaque: frozenset[str] = frozenset()) -> JsonObject:
        return cast("JsonObject", self._json(value, opaque=opaque))

    def _json(
        self, value: Json | JsonObject | Sequence[Json], *, opaque: frozenset[str] = frozenset()
    ) -> Json:
        """Return a JSON value with secrets replaced, also in member names.

        Opaque members are not changed.
        """
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {
                self._text(key): member if key in opaque else self._json(member, opaque=opaque)
                for key, member in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._json(item, opaque=opaque) for item in cast("Sequence[Json]", value)]
        return cast("Json", value)

    def _text(self, text: str) -> str:
        matches = self._search.spans(text)
        # RE2 refuses lone surrogates, which are replaced by one character.
        plain = text.encode("utf-8", "replace").decode()
        matches += [
            found.span()
            for pattern in self._patterns
            for found in pattern.finditer(plain)
            if found.end() > found.start()
        ]
        pieces, end_of_last = list[str](), 0
        for start, end in sorted(matches):
            # Overlapping secrets have one placeholder.
            if start >= end_of_last:
                pieces += text[end_of_last:start], PLACEHOLDER
                self.count += 1
            end_of_last = max(end, end_of_last)
        return "".join([*pieces, text[end_of_last:]])


def _compile(pattern: str) -> Any:
    if pattern in _OF_PYTHON:
        return re.compile(pattern)
    try:
        compiled = compile_linear(pattern)
    except ValueError as cause:
        raise ConfigurationError(f"invalid pattern {pattern!r}: {cause}", hint=REMEDY) from cause
    if compiled.match(""):
        raise ConfigurationError(f"the pattern {pattern!r} matches every text")
    return compiled
