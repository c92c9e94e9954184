"""Keeps answers on disk, so that the same request has the same answer again, without a provider."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileTrouble
from attractor.llm.client import Complete, Stream
from attractor.llm.errors import ConfigurationError, NotCachedError
from attractor.llm.middleware.answer_files import AnswerFiles
from attractor.llm.middleware.replaying import replay
from attractor.llm.middleware.request_digest import Digest, digest_of
from attractor.llm.middleware.warned import warned, warned_event
from attractor.llm.request import Request
from attractor.llm.response import Response, Warning
from attractor.llm.stream_accumulator import StreamAccumulator
from attractor.llm.stream_event import StreamEvent, StreamEventType

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
        except FileTrouble as trouble:
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
