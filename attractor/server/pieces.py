"""Pieces of fragments: an update of a page has only those that differ from the pieces of the page.

A fragment such as the timeline consists of pieces with keys. The server remembers the hashes of the
pieces of each version that it sent, by a token in the page. With the token, the page asks for what
changed. A page with an unknown token, or with a piece too many, gets the whole fragment. After many
changes at once, an answer has the first of them, and the page asks again for the others.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock

from markupsafe import Markup

MOST_VERSIONS = 500
"""The number of remembered versions; one of 500 pieces has 50 kB."""

MOST_BYTES = 8000
"""The size of an answer after which no other piece begins."""

Hashes = Mapping[str, int]
_BASE = ""
"""The key of all that is no piece, such as the places of the nodes in a drawing."""


class Room:
    """The room for pieces in one answer."""

    def __init__(self) -> None:
        self.left = MOST_BYTES

    @property
    def is_used(self) -> bool:
        """Whether no other piece may begin."""
        return self.left <= 0


class Pieces:
    """The pieces of one fragment in an answer."""

    def __init__(
        self,
        name: str,
        base: str,
        known: Hashes | None,
        keep: Callable[[str, Hashes], None],
        room: Room,
        ignored: str = "",
    ) -> None:
        self._name = name
        self._hashes = {_BASE: hash(base)}
        self._known = known if known and known.get(_BASE) == hash(base) else None
        self._keep = keep
        self._room = room
        self._changed = 0
        self._ignored = ignored
        self._gone = set[str]()
        self.has_more = False
        """Whether the page must ask again for pieces that were too many for this answer."""

    @property
    def is_update(self) -> bool:
        """Whether the answer has only the pieces that the page lacks."""
        return self._known is not None

    @property
    def lacks_pieces(self) -> bool:
        """Whether the fragment lacks pieces of the page that the update does not remove."""
        return bool(self._missing() - self._gone)

    def gone(self, begin: str) -> str:
        """Return the keys of the pieces that the page removes; all begin with a text.

        The keys are the ids of their elements. Called after all pieces.
        """
        self._gone |= {key for key in self._missing() if key.startswith(begin)}
        return " ".join(sorted(self._gone))

    def _missing(self) -> set[str]:
        return {*self._known} - {*self._hashes} if self._known else set()

    def __call__(self, key: str, caller: Callable[[], str]) -> Markup:
        """Return a piece in a template; empty if the page has it."""
        text = caller()
        return Markup(
            self.add(key, text, text, text.replace(self._ignored, "") if self._ignored else text)
        )

    def add(self, key: str, full: str, change: str, compared: str = "") -> str:
        """Return a piece, its change if the page has an older one, or nothing if it is the same."""
        digest = hash(compared or change)
        if self._known and self._known.get(key) == digest:
            return self.skip(key)
        if self._known and self._room.is_used:
            self.has_more = True
            return self.skip(key)
        self._hashes[key] = digest
        self._changed += 1
        text = change if self._known and key in self._known else full
        self._room.left -= len(text.encode())
        return text

    def skip(self, key: str) -> str:
        """Leave out a piece that the page does not show: it travels as soon as it is shown."""
        if self._known and key in self._known:
            self._hashes[key] = self._known[key]
        return ""

    def shell(self, key: str, caller: Callable[[], str]) -> Markup:
        """Return an element around pieces; empty if the page has it and all pieces inside."""
        is_late = self._known and key not in self._known and self._room.is_used
        before, left, text = self._changed, self._room.left, caller()
        if is_late:
            return Markup("")
        self._hashes[key] = 0
        if not (self._known is None or key not in self._known or self._changed > before):
            return Markup("")
        self._room.left = left - len(text.encode())
        return Markup(text)

    @property
    def version(self) -> str:
        """The token of the pieces, which a page sends to get the changes since."""
        token = _token(self._name, hash(frozenset(self._hashes.items())))
        self._keep(token, self._hashes)
        return token


def _token(name: str, digest: int) -> str:
    return f"{name}-{digest & (1 << 64) - 1:016x}"


class PieceVersions:
    """The versions of fragments that were sent last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Hashes] = OrderedDict()
        self._lock = Lock()

    def keep(self, token: str, hashes: Hashes) -> None:
        """Remember a version."""
        with self._lock:
            self._kept[token] = hashes
            self._kept.move_to_end(token)
            if len(self._kept) > MOST_VERSIONS:
                self._kept.popitem(last=False)

    def find(self, token: str) -> Hashes | None:
        """Return the hashes of a version."""
        with self._lock:
            return self._kept.get(token)


class PieceSource:
    """Makes the pieces of the fragments of one answer, from the tokens that the page sent."""

    def __init__(self, versions: PieceVersions, tokens: str = "") -> None:
        self._versions = versions
        self._tokens = frozenset(tokens.split(","))
        self._known = {
            token.rpartition("-")[0]: versions.find(token) for token in tokens.split(",")
        }
        self._made: dict[str, Pieces] = {}
        self._room = Room()

    def __call__(self, name: str, base: str = "", ignored: str = "") -> Pieces:
        """Return the pieces of a fragment; `base` is a text that determines all but its pieces.

        A text in pieces is `ignored`: the page changes it by itself.
        """
        known = self._known.get(name)
        made = Pieces(name, base, known, self._versions.keep, self._room, ignored)
        self._made[name] = made
        return made

    def settle(self, name: str, render: Callable[[], str]) -> tuple[str, str]:
        """Return a fragment, and its token if it has no pieces.

        It is empty if the page has all of it. What is sent takes room from the next fragments. If
        the page has pieces that an update cannot remove, the fragment is rendered again, whole.
        """
        left, text = self._room.left, render()
        made = self._made.get(name)
        if made and made.lacks_pieces:
            del self._known[name]
            text = render()
        version = "" if made else _token(name, hash(text))
        if version and version in self._tokens:
            text = ""
        self._room.left = left - len(text.encode())
        return text, version
