"""Keeps answers on disk, so that the same request has the same answer again, without a provider.

Keeps answers in a folder: one file an answer, named by the hash of what was asked.

The first line of a file tells what it is, the second is the answer. No file is ever changed.

Tells a whole answer as a stream would: for an answer that is there already.
"""

import json
import os
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, NotCanonical
from attractor.base.files import make_private_folder, reason_of, write_whole
from attractor.base.json import Json, content_hash, parse_json
from attractor.llm.client import Complete, Stream
from attractor.llm.errors import ConfigurationError, NotCachedError
from attractor.llm.messages import ContentPart
from attractor.llm.middleware.answer_records import (
    Digest,
    differences,
    digest_of,
    read_answer,
    write_answer,
)
from attractor.llm.middleware.fallback import warned, warned_event
from attractor.llm.request import Request
from attractor.llm.response import Response, Warning
from attractor.llm.stream_events import StreamAccumulator, StreamEvent, StreamEventType, StreamStart
from attractor.llm.tools import ToolCall

_VERSION = 1
_ENDING = ".answer.json"
_MOST_COMPARED = 500
_LONGEST_HEAD = 4_000_000
_MODE = 0o600


@dataclass(frozen=True)
class CacheEntry:
    """What a folder has for a request: an answer, or nothing; and what is wrong with its file."""

    answer: Response | None = None
    fault: str = ""


class AnswerFiles:
    """The answers in one folder; several processes may use it at the same time."""

    def __init__(self, folder: str | Path) -> None:
        if not _is_name(folder):
            raise ConfigurationError(
                f"{str(folder)!r} is no name of a folder", hint="leave out what no path may hold"
            )
        self.folder = Path(folder)

    def find(self, key: str) -> CacheEntry:
        """Return the answer to a request, and why it cannot be had when its file is damaged."""
        path = self._path(key)
        try:
            text = path.read_bytes().decode()
        except (FileNotFoundError, NotADirectoryError):
            return CacheEntry()
        except OSError as cause:
            return CacheEntry(fault=f"{path} cannot be read: {reason_of(cause)}")
        except UnicodeDecodeError:
            return CacheEntry(fault=f"{path} is damaged")
        return _read(text, key, path)

    def keep(self, digest: Digest, answer: Response) -> None:
        """Write an answer, whole or not at all; nobody else may read it."""
        body = write_answer(answer)
        head = {
            "attractor_answer": _VERSION,
            "key": digest.key,
            "sha256": content_hash(body.encode()),
            "request": digest.fields,
        }
        make_private_folder(self.folder)
        text = f"{json.dumps(head, separators=(',', ':'))}\n{body}\n"
        # Not synced: what a power failure damages is only asked again.
        write_whole(self._path(digest.key), text, sync=False, mode=_MODE)

    def nearest(self, digest: Digest) -> Sequence[str] | None:
        """Name what differs from the most similar request that is kept; None when none is."""
        found = (differences(digest.fields, one) for one in self._requests())
        return min(found, key=len, default=None)

    def _requests(self) -> Sequence[Mapping[str, Json]]:
        """Return what was asked in the newest files."""
        try:
            found = [one for one in os.scandir(self.folder) if one.name.endswith(_ENDING)]
            found.sort(key=lambda one: one.stat().st_mtime, reverse=True)
        except OSError:
            return []
        heads = (_head(Path(one.path)) for one in found[:_MOST_COMPARED])
        return [head for head in heads if head]

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_ENDING}"


def _is_name(folder: str | Path) -> bool:
    try:
        return b"\0" not in os.fsencode(folder)
    except UnicodeEncodeError:
        return False


def _read(text: str, key: str, path: Path) -> CacheEntry:
    first, _, rest = text.partition("\n")
    body = rest.removesuffix("\n")
    try:
        head = parse_json(first)
        if isinstance(head, dict) and head.get("attractor_answer", _VERSION) != _VERSION:
            return CacheEntry(fault=f"{path} is of another version")
        told = (head.get("key"), head.get("sha256")) if isinstance(head, dict) else ()
        if told == (key, content_hash(body.encode())):
            return CacheEntry(read_answer(body))
    except (NotCanonical, ValueError, TypeError, KeyError, RecursionError):
        pass
    return CacheEntry(fault=f"{path} is damaged")


def _head(path: Path) -> Mapping[str, Json]:
    try:
        with path.open("rb") as file:
            head = parse_json(file.readline(_LONGEST_HEAD))
    except (OSError, NotCanonical):
        return {}
    told = head.get("request") if isinstance(head, dict) else None
    return told if isinstance(told, dict) else {}


_WORDS = re.compile(r"\s*\S+\s*$|\s*\S+|\s+$")


def replay(response: Response) -> Iterator[StreamEvent]:
    """Yield the events of an answer, texts word by word; the FINISH has the whole of it."""
    start = StreamStart(
        response.id, response.model, response.provider, response.warnings, response.rate_limit
    )
    yield StreamEvent(StreamEventType.STREAM_START, start=start)
    for index, part in enumerate(response.message.content):
        yield from _part(part, f"text_{index}")
    yield StreamEvent(
        StreamEventType.FINISH,
        finish_reason=response.finish_reason,
        usage=response.usage,
        response=response,
    )


def _part(part: ContentPart, text_id: str) -> Iterator[StreamEvent]:
    if part.text is not None:
        yield StreamEvent(StreamEventType.TEXT_START, text_id=text_id)
        for piece in _WORDS.findall(part.text):
            yield StreamEvent(StreamEventType.TEXT_DELTA, text_id=text_id, delta=piece)
        yield StreamEvent(StreamEventType.TEXT_END, text_id=text_id, text=part.text)
    elif part.tool_call is not None:
        call = ToolCall.from_data(part.tool_call)
        begun = ToolCall(call.id, call.name, {})
        yield StreamEvent(StreamEventType.TOOL_CALL_START, tool_call=begun)
        yield StreamEvent(StreamEventType.TOOL_CALL_END, tool_call=call)
    elif part.thinking is not None:
        # What is hidden is opaque: it stands in the whole answer alone.
        text = None if part.thinking.redacted else part.thinking.text
        yield StreamEvent(StreamEventType.REASONING_START)
        if text:
            yield StreamEvent(StreamEventType.REASONING_DELTA, reasoning_delta=text)
        yield StreamEvent(StreamEventType.REASONING_END, text=text)


CacheMode = Literal["read_write", "read_only", "refresh"]
"""What is done with kept answers: used and added to; only used; or all asked anew."""

_MOST_NAMED = 5


@dataclass(frozen=True)
class _Looked:
    """What is known of a request before it is asked."""

    digest: Digest
    kept: Response | None = None
    warnings: Sequence[Warning] = ()


class DiskCache:
    """Answers from a folder what was answered before; with `read_only` nothing else is asked.

    It is the same request when all of it is the same: provider, model, messages, tools, options,
    and the content of images. An answer that broke off is not kept, and no error is.
    """

    def __init__(self, folder: str | Path, *, mode: CacheMode = "read_write") -> None:
        if mode not in get_args(CacheMode):
            raise ConfigurationError(
                f"no mode {mode!r} of a cache", hint=f"one of {', '.join(get_args(CacheMode))}"
            )
        self._files = AnswerFiles(folder)
        self._mode = mode
        self.hits = 0
        self.misses = 0

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Answer from the folder, or ask and keep the answer."""
        looked = self._look(request)
        if looked.kept is not None:
            return looked.kept
        response = await next(request)
        return warned(response, [*looked.warnings, *self._keep(looked.digest, response)])

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Tell a kept answer piece by piece, or ask and keep the answer when it is whole."""
        looked = self._look(request)
        if looked.kept is not None:
            for event in replay(looked.kept):
                yield event
            return
        heard = StreamAccumulator()
        async for event in next(request):
            heard.process(event)
            told = warned_event(event, looked.warnings)
            if event.type == StreamEventType.FINISH:
                unkept = self._keep(looked.digest, heard.response())
                whole = warned(heard.response(), [*looked.warnings, *unkept])
                told = replace(told, response=whole)
            yield told

    def _look(self, request: Request) -> _Looked:
        digest = digest_of(request)
        if self._mode == "refresh":
            self.misses += 1
            return _Looked(digest)
        kept = self._files.find(digest.key)
        if kept.answer is not None:
            self.hits += 1
            return _Looked(digest, kept.answer)
        self.misses += 1
        if self._mode == "read_only":
            raise self._miss(request, digest, kept.fault)
        told = f"a kept answer was not used, and asked for again: {kept.fault}"
        return _Looked(digest, None, [Warning(told, "cache_damaged")] if kept.fault else ())

    def _keep(self, digest: Digest, response: Response) -> Sequence[Warning]:
        """Keep an answer; it is not lost because it could not be kept."""
        if self._mode == "read_only":
            return ()
        try:
            self._files.keep(digest, response)
        except FileError as trouble:
            return [Warning(f"the answer is not kept: {trouble.message}", "cache_not_written")]
        except (TypeError, ValueError, RecursionError) as cause:
            return [Warning(f"the answer is not kept: {cause}", "cache_not_written")]
        return ()

    def _miss(self, request: Request, digest: Digest, fault: str) -> NotCachedError:
        asked = f"{request.provider}/{request.model}"
        near = self._files.nearest(digest)
        if fault:
            why = fault
        elif near is None:
            why = f"there are none in {self._files.folder}"
        else:
            more = f" and {len(near) - _MOST_NAMED} more" if len(near) > _MOST_NAMED else ""
            why = f"the nearest one differs in {', '.join(near[:_MOST_NAMED])}{more}"
        return NotCachedError(f"no answer is kept for this request to {asked}: {why}")
