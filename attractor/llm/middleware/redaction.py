"""Keeps secrets from models: they are replaced in what is sent, and put back if that is wished."""

import re
from collections.abc import AsyncGenerator, Iterable, Sequence

from attractor.llm.client import Complete, Stream
from attractor.llm.errors import ConfigurationError
from attractor.llm.middleware.placeholders import Replacing, Restoring
from attractor.llm.middleware.redacted_request import redacted_request
from attractor.llm.middleware.restored_stream import RestoredStream, restored
from attractor.llm.middleware.secret_finding import finder_of
from attractor.llm.middleware.secret_patterns import WELL_KNOWN
from attractor.llm.middleware.warned import warned, warned_event
from attractor.llm.request import Request
from attractor.llm.response import Response, Warning
from attractor.llm.stream_event import StreamEvent

_SHORTEST = 6


class Redaction:
    """Sends `[secret-1]` for a secret: one of `values`, or what looks like one of `patterns`.

    With `restore` a placeholder that the model repeats is the secret again in what it answers, also
    in its tool calls. Every answer has a warning that says how many secrets were replaced.
    """

    def __init__(
        self,
        values: Iterable[str] = (),
        *,
        patterns: Iterable[str] = WELL_KNOWN,
        restore: bool = False,
    ) -> None:
        known = tuple(dict.fromkeys(values))
        self._finder = finder_of(known, [_compiled(one) for one in patterns])
        self._restore = restore
        if any(len(value) < _SHORTEST for value in known):
            raise ConfigurationError(
                f"a secret of fewer than {_SHORTEST} characters would be found in any text",
                hint="leave it out, or take a longer one",
            )

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Ask without the secrets."""
        sent, replacing = self._redacted(request)
        response = await next(sent)
        if self._restore and replacing.secrets:
            response = restored(response, _restoring(request, replacing))
        return warned(response, _warnings(replacing))

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Ask without the secrets, and put them back piece by piece."""
        sent, replacing = self._redacted(request)
        told = _warnings(replacing)
        is_restored = self._restore and bool(replacing.secrets)
        whole = RestoredStream(_restoring(request, replacing))
        async for event in next(sent):
            for one in whole.events(event) if is_restored else (event,):
                yield warned_event(one, told)

    def _redacted(self, request: Request) -> tuple[Request, Replacing]:
        replacing = Replacing(self._finder)
        sent = redacted_request(request, replacing)
        if self._restore and replacing.is_mistakable:
            # The same mark for the same texts: caches, ours and the providers', go by the words.
            replacing = Replacing(self._finder, replacing.free_mark)
            sent = redacted_request(request, replacing)
        return sent if replacing.places else request, replacing


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        found = re.compile(pattern)
    except re.error as cause:
        raise ConfigurationError(f"the pattern {pattern!r} is none: {cause}") from cause
    if found.match(""):
        raise ConfigurationError(f"the pattern {pattern!r} is found in every text")
    return found


def _restoring(request: Request, replacing: Replacing) -> Restoring:
    wanted = request.response_format
    return Restoring(replacing.secrets, is_json=wanted is not None and wanted.type != "text")


def _warnings(replacing: Replacing) -> Sequence[Warning]:
    secrets, places = len(replacing.secrets), replacing.places
    if not places:
        return ()
    what = "1 secret was" if secrets == 1 else f"{secrets} secrets were"
    where = "1 place" if places == 1 else f"{places} places"
    told = f"{what} replaced in {where} of what was sent to the model"
    return [Warning(told, "secrets_replaced")]
