"""Recordings that answer: each request as it was answered, in order, the last one ever after."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice, pairwise

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.twins.differences import differences
from attractor.twins.recording import Recording, name_of_request
from attractor.twins.reply import Ending, Reply, streamed, whole

_MOST_DIFFERENCES = 200
_ONE_MORE = 1


@dataclass(frozen=True)
class Sought:
    """A request as recordings know it: without keys."""

    wire: str
    method: str
    path: str
    request: Json

    @property
    def name(self) -> str:
        """What is the same for the same request alone."""
        return name_of_request(self.wire, self.method, self.path, self.request)


class Recordings:
    """Gives recordings back to whoever asks as it was asked then."""

    def __init__(self, recordings: Mapping[str, Recording], *, is_paced: bool = False) -> None:
        self._all = recordings
        self._is_paced = is_paced
        self._given = Counter[str]()
        self._by_request: dict[str, list[str]] = defaultdict(list)
        for place, one in recordings.items():
            name = name_of_request(one.wire, one.method, one.path, one.request)
            self._by_request[name].append(place)

    def __len__(self) -> int:
        return len(self._all)

    def answer(self, sought: Sought) -> Reply | None:
        """Return the answer a request got then: the next one, if there were several."""
        places = self._by_request.get(sought.name)
        if not places:
            return None
        place = places[min(self._given[sought.name], len(places) - 1)]
        self._given[sought.name] += 1
        return reply_of(self._all[place], rule=place, is_paced=self._is_paced)

    def refusal(self, sought: Sought) -> str:
        """Say which recording comes nearest, and where it first differs."""
        told = "no recording answers this request"
        found = [(list(_gaps(sought, one)), place) for place, one in self._all.items()]
        if not found:
            return told
        gaps, place = min(found, key=lambda one: _weight(one[0]))
        return f"{told}; the nearest is {place}, but {gaps[0]}"

    def forget(self) -> None:
        """Begin anew with the first answer to every request."""
        self._given.clear()


def reply_of(recording: Recording, *, rule: str, is_paced: bool) -> Reply:
    """Return the answer of a recording, at once or when it came."""
    pieces = [one.content for one in recording.body]
    if recording.is_stream:
        made = streamed(pieces, recording.headers, rule=rule)
    else:
        made = whole(recording.status, b"".join(pieces), recording.headers, rule=rule)
    return _ended(_timed(made, recording) if is_paced else made, recording)


def _timed(reply: Reply, recording: Recording) -> Reply:
    times = [timedelta(seconds=one.at) for one in recording.body]
    pauses = [max(after - before, timedelta()) for before, after in pairwise(times)]
    delay = times[0] if times else timedelta()
    return replace(reply, delay=delay, pauses=tuple(pauses) if recording.is_stream else ())


def _ended(reply: Reply, recording: Recording) -> Reply:
    found = replace(reply, status=recording.status)
    if recording.ended == "complete":
        return found
    headers = dict(reply.headers)
    if not recording.is_stream:
        # How long it would have been nobody knows; it was longer than what came.
        headers["content-length"] = str(len(reply.body) + _ONE_MORE)
    return replace(found, headers=headers, ending=Ending.DROPPED)


def _gaps(sought: Sought, recording: Recording) -> Iterator[str]:
    if sought.wire != recording.wire:
        yield f"the wire is {sought.wire}, not {recording.wire}"
    if (sought.method, sought.path) != (recording.method, recording.path):
        asked, then = f"{sought.method} {sought.path}", f"{recording.method} {recording.path}"
        yield f"this is {asked}, not {then}"
    yield from islice(differences(sought.request, recording.request), _MOST_DIFFERENCES)


def _weight(gaps: Sequence[str]) -> tuple[bool, bool, int]:
    """Another wire or path weighs more than anything in the body."""
    first = gaps[0] if gaps else ""
    return first.startswith("the wire"), any(one.startswith("this is") for one in gaps), len(gaps)
