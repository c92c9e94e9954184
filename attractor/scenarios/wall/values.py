"""How values cross the wall: those of exact, known types are rebuilt, all others stay as handles.

Both sides load this file in an interpreter of the project, in any Python from 3.9: it needs only
the standard library.
"""

import argparse
import collections
import datetime
import decimal
import fractions
import json
import operator
import pathlib
import struct
import sys
import types
import uuid
import zoneinfo

MOST_BYTES = 32 << 20
_MOST_DEPTH = 200
_EXACT = 1 << 53
_MOST_HELD = 500


class Broken(Exception):
    """The other side sent what it must not send, or nothing any more."""


UNREADABLE = LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError
"""What reading a forged answer raises."""


class Pipe:
    """Frames over two files: the length, then JSON."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    def send(self, frame):
        """Write a frame, or raise ValueError for one that is too large."""
        text = json.dumps(frame).encode()
        if len(text) > MOST_BYTES:
            raise ValueError("more than 32 MiB cannot cross the wall at once")
        try:
            self._writer.write(struct.pack(">I", len(text)) + text)
            self._writer.flush()
        except OSError as fault:
            raise Broken("the process of the candidate has ended") from fault

    def receive(self):
        """Read a frame, or raise Broken."""
        size = self._read(4)
        (count,) = struct.unpack(">I", size)
        if count > MOST_BYTES:
            raise Broken("an answer has more than 32 MiB")
        try:
            frame = json.loads(self._read(count))
        except (ValueError, RecursionError) as fault:
            raise Broken("an answer is no JSON") from fault
        if type(frame) is not dict:
            raise Broken("an answer is no object")
        return frame

    def _read(self, count):
        found = self._reader.read(count)
        if found is None or len(found) < count:
            raise Broken("the process of the candidate has ended")
        return found


def tagged(tag, value, **more):
    """Return a value that JSON has not, with the tag that says how to read it."""
    return {"t": tag, "v": value, **more}


def _zone(value):
    if value.tzinfo is None:
        return None
    if type(value.tzinfo) is datetime.timezone:
        offset = value.tzinfo.utcoffset(None)
        return [offset.days, offset.seconds, offset.microseconds]
    return getattr(value.tzinfo, "key", None) or False


def _in_zone(zone):
    if zone is None:
        return None
    if isinstance(zone, str):
        return zoneinfo.ZoneInfo(zone)
    return datetime.timezone(datetime.timedelta(*zone))


def _clock(value):
    return [value.replace(tzinfo=None).isoformat(), value.fold, _zone(value)]


def _from_clock(kind):
    return lambda v: kind.fromisoformat(v[0]).replace(fold=v[1], tzinfo=_in_zone(v[2]))


_SIMPLE = {
    "int": (int, hex, lambda v: int(v, 16)),
    "float": (float, float.hex, float.fromhex),
    "complex": (
        complex,
        lambda v: [v.real.hex(), v.imag.hex()],
        lambda v: complex(float.fromhex(v[0]), float.fromhex(v[1])),
    ),
    "bytes": (bytes, bytes.hex, bytes.fromhex),
    "date": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "datetime": (datetime.datetime, _clock, _from_clock(datetime.datetime)),
    "time": (datetime.time, _clock, _from_clock(datetime.time)),
    "timedelta": (
        datetime.timedelta,
        lambda v: [v.days, v.seconds, v.microseconds],
        lambda v: datetime.timedelta(*v),
    ),
    "timezone": (
        datetime.timezone,
        lambda v: _zone(datetime.datetime(1, 1, 1, tzinfo=v)),
        _in_zone,
    ),
    "decimal": (decimal.Decimal, str, decimal.Decimal),
    "fraction": (fractions.Fraction, str, fractions.Fraction),
    "path": (type(pathlib.Path()), str, pathlib.Path),
    "uuid": (uuid.UUID, str, uuid.UUID),
    "ellipsis": (type(...), lambda _: None, lambda _: ...),
    "not implemented": (type(NotImplemented), lambda _: None, lambda _: NotImplemented),
}
_TAGS = {kind: tag for tag, (kind, _, _) in _SIMPLE.items()}


def _pairs(mapping):
    # Without a question for the hash of a key.
    is_known = isinstance(mapping, dict)
    return list(mapping.items()) if is_known else [(key, mapping[key]) for key in mapping.keys()]


_FIELDS = (lambda v: list(vars(v).items())), (lambda v, items: vars(v).update(items))
# The type, its items as a list, and a function that fills an empty one.
CONTAINERS = {
    "list": (list, list, list.extend),
    "bytearray": (bytearray, list, bytearray.extend),
    "set": (set, list, set.update),
    "deque": (collections.deque, list, collections.deque.extend),
    "dict": (dict, _pairs, dict.update),
    "ordered": (collections.OrderedDict, _pairs, collections.OrderedDict.update),
    "counter": (collections.Counter, _pairs, dict.update),
    "defaults": (collections.defaultdict, _pairs, dict.update),
    "namespace": (types.SimpleNamespace, *_FIELDS),
    "arguments": (argparse.Namespace, *_FIELDS),
}
_UNPAIRED = ("list", "bytearray", "set", "deque")
_CONTAINER_TAGS = {kind: tag for tag, (kind, _, _) in CONTAINERS.items()}
_EMPTY = {
    "deque": lambda more: collections.deque(maxlen=more),
    "defaults": collections.defaultdict,
}
_FROZEN = {"tuple": tuple, "frozenset": frozenset}
_RANGES = {"slice": slice, "range": range}


def _container_tag(value):
    """Return the tag of the container that a value is, or is derived from; else ""."""
    return next((_CONTAINER_TAGS[one] for one in type(value).__mro__ if one in _CONTAINER_TAGS), "")


def _parts_of(value):
    """Return the tag of a container, or that of a dictionary for another mapping; its items."""
    tag = _container_tag(value) or "dict"
    return tag, CONTAINERS[tag][1](value)


def refill(container, items):
    """Give a container, or another mapping, these items instead of its own."""
    kind, _, fill = CONTAINERS[_container_tag(container) or "dict"]
    if isinstance(container, kind):
        (kind.clear if hasattr(kind, "clear") else lambda v: vars(v).clear())(container)
        fill(container, items)
    else:
        for key in list(container.keys()):
            del container[key]
        for key, value in items:
            container[key] = value


class Shared:
    """The containers that both sides of a question have, and their items when last compared."""

    def __init__(self, containers=()):
        self.all, self.places, self._items = [], {}, []
        for one in containers:
            self.add(one)
        self.keep()

    def add(self, container):
        """Add a container that crosses; return its place."""
        self.places[id(container)] = len(self.all)
        self.all.append(container)
        return len(self.all) - 1

    def keep(self):
        """Remember the items of the new containers."""
        self._items += map(_items_of, self.all[len(self._items) :])

    def drop(self):
        """Forget containers that did not cross, since a value with them could not."""
        for one in self.all[len(self._items) :]:
            del self.places[id(one)]
        del self.all[len(self._items) :]

    def changes(self, encode, places=None):
        """Return the new items of the containers that were changed, of all or of some places."""
        found, count = [], len(self._items)
        for at in range(count) if places is None else [one for one in places if one < count]:
            now, before = _items_of(self.all[at]), self._items[at]
            if len(now) != len(before) or not all(map(operator.is_, now, before)):
                self._items[at] = now
                found.append([at, encode.items(self.all[at])])
        self.keep()
        return found

    def apply(self, changes, decode):
        """Change the containers as on the other side."""
        for at, items in changes:
            refill(self.all[at], [decode(one) for one in items])
            self._items[at] = _items_of(self.all[at])
        self.keep()

    def renew(self, newer):
        """Return the first container, with the items of a newer one."""
        refill(self.all[0], _parts_of(newer)[1])
        self._items[0] = _items_of(self.all[0])
        return self.all[0]


class Held:
    """The containers of the tests that the candidate keeps after a question, by number.

    Each side has its own; what one side changes is changed on the other at the next frame.
    """

    def __init__(self):
        self._all: dict[int, Shared] = {}
        self._last = 0

    def number(self, container):
        """Give a container a number."""
        self._last += 1
        self.add(self._last, container)
        return self._last

    def add(self, number, container):
        """Add a container with a number of the other side."""
        self._all[number] = Shared([container])
        if len(self._all) > _MOST_HELD:
            del self._all[next(iter(self._all))]

    def changes(self, encode):
        """Return the new items of those that were changed, by number."""
        found = [(number, one.changes(encode)) for number, one in self._all.items()]
        # What nothing else refers to cannot change any more.
        self._all = {n: one for n, one in self._all.items() if sys.getrefcount(one.all[0]) > 2}
        return [[number, change[0][1]] for number, change in found if change]

    def apply(self, changes, decode):
        """Change the containers as on the other side."""
        for number, items in changes:
            if number in self._all:
                self._all[number].apply([[0, items]], decode)


def _items_of(container):
    tag, items = _parts_of(container)
    return items if tag in _UNPAIRED else [part for pair in items for part in pair]


class Encoder:
    """Writes values as JSON; `other` writes those that are not rebuilt on the other side.

    A container that appears twice is one there, too. `shared` are those that the other side has
    already, and the new ones; `met` are the places of those that were written again.
    """

    def __init__(self, other, shared=None):
        self._other, self.shared, self.met = other, shared or Shared(), set()
        self.shared.drop()

    def __call__(self, value, depth=0):
        """Return a value as JSON."""
        if depth > _MOST_DEPTH:
            raise ValueError("a value that is nested too deep cannot cross the wall")
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int and -_EXACT < value < _EXACT:
            return value
        tag = _CONTAINER_TAGS.get(kind)
        if tag:
            return self._container(tag, value, depth)
        return self._fixed(kind, value, depth)

    def _fixed(self, kind, value, depth):
        """Return a value that cannot be changed."""
        if kind in _TAGS:
            parts = _SIMPLE[_TAGS[kind]][1](value)
            # A time zone of a class that is not known.
            is_known = not (type(parts) is list and parts[2:] == [False])
            return tagged(_TAGS[kind], parts) if is_known else self._other(value, self)
        if kind in _FROZEN.values():
            return tagged(kind.__name__, self._all(value, depth))
        if kind in _RANGES.values():
            parts = (value.start, value.stop, value.step)
            return tagged(kind.__name__, self._all(parts, depth))
        if isinstance(value, tuple) and is_plain_named_tuple(kind):
            fields = list(kind._fields)
            return tagged("named", self._all(value, depth), name=kind.__name__, fields=fields)
        return self._other(value, self)

    def items(self, value):
        """Return the items of a container."""
        return [self(one) for one in _parts_of(value)[1]]

    def derived(self, value):
        """Return what is derived from a container, or another mapping; else None."""
        is_mapping = hasattr(value, "keys") and hasattr(value, "__getitem__")
        tag = _container_tag(value) or "dict" * (is_mapping and not callable(value))
        return self._container(tag, value, 0) if tag else None

    def _all(self, values, depth):
        return [self(one, depth + 1) for one in values]

    def _container(self, tag, value, depth):
        if id(value) in self.shared.places:
            at = self.shared.places[id(value)]
            self.met.add(at)
            return tagged("same", at)
        at = self.shared.add(value)
        more = None
        if tag == "deque":
            more = value.maxlen
        elif tag == "defaults":
            more = self(value.default_factory)
        written = tagged(tag, None, n=at, more=more)
        written["v"] = self._all(CONTAINERS[tag][1](value), depth)
        return written


class Decoder:
    """Reads values; `other` reads those that are not rebuilt. `met` are places of `shared`.

    `named` are the named tuples.
    """

    def __init__(self, other, shared=None):
        self._other, self.shared, self.met = other, shared or Shared(), set()
        self.named = []

    def __call__(self, written, depth=0):
        """Return the value of JSON, or raise Broken."""
        if written is None or type(written) in (bool, int, str):
            return written
        if type(written) is not dict or depth > _MOST_DEPTH:
            raise Broken("an answer has no known form")
        try:
            return self._tagged(written, depth)
        except UNREADABLE as fault:
            raise Broken(f"an answer cannot be read: {type(fault).__name__}") from fault

    def _tagged(self, written, depth):
        tag, value = written["t"], written["v"]
        if tag in _SIMPLE:
            return _SIMPLE[tag][2](value)
        if tag == "same":
            self.met.add(value)
            return self.shared.all[value]
        if tag in CONTAINERS:
            return self._container(tag, written, depth)
        if tag in _FROZEN:
            return _FROZEN[tag](self._all(value, depth))
        if tag in _RANGES:
            return _RANGES[tag](*self._all(value, depth))
        if tag == "named":
            kind = _named(written["name"], tuple(written["fields"]))
            self.named.append(kind(*self._all(value, depth)))
            return self.named[-1]
        return self._other(written)

    def _container(self, tag, written, depth):
        made = _EMPTY[tag](self(written["more"])) if tag in _EMPTY else CONTAINERS[tag][0]()
        self.met.add(self.shared.add(made))
        if written["n"] != len(self.shared.all) - 1:
            raise Broken("an answer has no known form")
        CONTAINERS[tag][2](made, self._all(written["v"], depth))
        return made

    def _all(self, values, depth):
        return [self(one, depth + 1) for one in values]


def is_plain_named_tuple(kind):
    """Return whether a class is a named tuple without methods of its own."""
    fields = getattr(kind, "_fields", None)
    if kind.__bases__ != (tuple,) or type(fields) is not tuple:
        return False
    plain = _named("Plain", fields).__dict__.keys() | {"__orig_bases__", "__annotations__"}
    return kind.__dict__.keys() <= plain


_named_tuples = {}


def _named(name, fields):
    key = name, fields
    if key not in _named_tuples:
        _named_tuples[key] = collections.namedtuple(name, fields)
    return _named_tuples[key]
