"""The room: runs the candidate's modules, and does what the tests on the other side ask.

Nothing here is trusted by the other side: the candidate's code runs in the same process.
"""

import builtins
import copy
import importlib
import inspect
import io
import os
import sys
import types
import warnings
from typing import Any

from attractor.scenarios.wall.values import (
    Broken,
    Decoder,
    Encoder,
    Held,
    Pipe,
    Shared,
    refill,
    tagged,
)

_HIDDEN = {
    *("__new__", "__getattribute__", "__getattr__", "__setattr__", "__delattr__"),
    *("__class__", "__dict__", "__init_subclass__", "__subclasshook__", "__del__", "__slots__"),
    *("__reduce__", "__reduce_ex__", "__getstate__", "__sizeof__", "__dir__", "__class_getitem__"),
    *("__set_name__", "__weakref__", "__doc__", "__module__", "__abstractmethods__"),
}
"""Special names that the classes on the other side have of their own."""


class _TestObject:
    """An object of the tests, which nothing here can look into."""

    def __init__(self, room, number, about):
        self._wall = room, number
        if "parameters" in about:
            self.__signature__ = _signature(about.pop("parameters"))
        vars(self).update(about)


class _TestFunction(_TestObject):
    """A function of the tests, with its names and parameters."""

    def __call__(self, /, *args, **kwargs):
        room, number = self._wall
        return room.ask({"call": number}, args, kwargs)

    def __get__(self, instance, owner=None):
        return self if instance is None else types.MethodType(self, instance)


class _Items(_TestObject):
    """What the tests can be asked to iterate."""

    _cursors = 0

    def __iter__(self):
        _Items._cursors += 1
        return _Cursor(self._wall, _Items._cursors)


class _Cursor:
    def __init__(self, wall, cursor):
        self._wall, self._cursor = wall, cursor

    def __iter__(self):
        return self

    def __next__(self):
        room, number = self._wall
        return room.ask({"next": number, "cursor": self._cursor}, (), {})


class _Iterator(_TestObject):
    """An iterator of the tests."""

    _cursor, __iter__, __next__ = 0, _Cursor.__iter__, _Cursor.__next__


class _Input(io.TextIOBase):
    """The standard input that a test gave."""

    def __init__(self, read, readline):
        self.read, self.readline = read, readline


class _Output:
    """The standard output of the candidate, as the tests see it."""

    encoding, errors = "utf-8", "strict"

    def __init__(self, number, printed):
        self._number, self._printed = number, printed

    def write(self, text):
        self._printed.append([self._number, str(text)])
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        pass

    def isatty(self):
        return False


class CandidateRoom:
    """Holds the objects of the candidate that the tests know, by number."""

    def __init__(self, pipe):
        self._pipe = pipe
        self._objects, self._numbers = {}, {}
        self._described, self._raw = set(), {}
        self._tests, self._of_tests = {}, {}
        self._new_classes, self._printed, self._warned = [], [], []
        self._question, self._shared, self._held = "", Shared(), Held()
        self._own = sys.stdin, builtins.input

    def serve(self):
        """Answer until the tests end."""
        sys.stdout, sys.stderr = _Output(1, self._printed), _Output(2, self._printed)
        warnings.simplefilter("always")
        warnings.showwarning = self._warn
        while True:
            self._answer(self._pipe.receive())

    def ask(self, asked, args, kwargs):
        """Ask the tests to call a function, or for the next item; answer questions meanwhile."""
        shared, question = self._shared, self._question
        encode = Encoder(self._other, shared)
        given = [[encode(one) for one in args], [[n, encode(v)] for n, v in kwargs.items()]]
        more = {"changed": shared.changes(encode, encode.met), "held": self._held.changes(encode)}
        self._send({**asked, "given": given, **more, "q": question})
        while True:
            frame = self._pipe.receive()
            if "do" in frame:
                self._answer(frame)
                continue
            self._question, self._shared = question, shared
            decode = Decoder(self._known, shared)
            value = decode(frame.get("value"))
            shared.apply(frame["changed"], decode)
            self._held.apply(frame["held"], decode)
            if "raised" in frame:
                raise self._exception(frame["raised"], Decoder(self._known))
            return value

    def _answer(self, frame):
        self._question = frame["q"]
        decode = Decoder(self._known)
        shared = decode.shared
        args, kwargs, given, result = [], {}, set(), None
        try:
            args = [decode(one) for one in frame["args"]]
            kwargs = {name: decode(one) for name, one in frame.get("kwargs", ())}
            shared.keep()
            given = {id(one) for one in (*args, *kwargs.values())}
            self._change(frame)
            self._shared = shared
            result = getattr(self, "_do_" + frame["do"])(*args, **kwargs)
        except Broken:
            raise
        except BaseException as fault:
            answer = {"raise": self._raised(fault, encode := Encoder(self._other, shared))}
        else:
            encode = Encoder(self._other, shared)
            try:
                before = len(shared.all)
                answer = {"value": encode(result)}
                if frame["do"] == "get":
                    answer["lent"] = [self._number(one) for one in shared.all[before:]]
            except ValueError as fault:
                encode = Encoder(self._other, shared)
                answer = {"raise": self._raised(fault, encode)}
        answer["changed"] = shared.changes(encode)
        answer["held"] = self._held.changes(encode)
        del args, kwargs, result
        # What the candidate still refers to; beside it, only the list here does.
        kept = [at for at, one in enumerate(shared.all) if id(one) in given]
        kept = [at for at in kept if sys.getrefcount(shared.all[at]) > 2]
        answer["kept"] = [[at, self._held.number(shared.all[at])] for at in kept]
        self._send({**answer, "q": frame["q"]})

    def _change(self, frame):
        """Change what the tests changed or replaced."""
        decode = Decoder(self._known)
        for number, items in frame["lent"]:
            refill(self._objects[number], [decode(one) for one in items])
        self._held.apply(frame["held"], decode)
        if "argv" in frame:
            sys.argv[:] = frame["argv"]
            stdin, asked = frame["stdin"], frame["input"]
            sys.stdin = _Input(*map(decode, stdin)) if stdin else self._own[0]
            builtins.input = decode(asked) if asked else self._own[1]

    def _send(self, frame):
        more = {
            "classes": self._new_classes[:],
            "printed": self._printed[:],
            "warned": self._warned[:],
        }
        del self._new_classes[:], self._printed[:], self._warned[:]
        self._pipe.send({**frame, **{name: one for name, one in more.items() if one}})

    # What the tests ask.

    def _do_import(self, name):
        return importlib.import_module(name)

    def _do_get(self, target, name):
        return getattr(target, name)

    def _do_set(self, target, name, value):
        setattr(target, name, value)

    def _do_delete(self, target, name):
        delattr(target, name)

    def _do_dir(self, target):
        return [str(one) for one in dir(target)]

    def _do_public(self, module):
        names = getattr(module, "__all__", None)
        return list(names) if names is not None else [n for n in vars(module) if n[:1] != "_"]

    def _do_call(self, target, /, *args, **kwargs):
        return target(*args, **kwargs)

    def _do_special(self, name, target, *args):
        if name in ("__copy__", "__deepcopy__"):
            return {"__copy__": copy.copy, "__deepcopy__": copy.deepcopy}[name](target)
        return getattr(type(target), name)(target, *args)

    def _do_raw(self, kind, name, /, *args, **kwargs):
        return _function_of(self._raw[self._number(kind), name])(*args, **kwargs)

    def _do_is_instance(self, target, kind):
        return isinstance(target, kind)

    def _do_is_subclass(self, target, kind):
        return issubclass(target, kind)

    def _do_derive(self, name, bases, members):
        return type(bases[0])(name, tuple(bases), members)

    def _do_exit(self, target, fault):
        kind = None if fault is None else type(fault)
        return bool(type(target).__exit__(target, kind, fault, None))

    # How values cross.

    def _other(self, value, encode):
        if isinstance(value, _TestObject):
            return tagged("test", value._wall[1])
        if isinstance(value, type) and getattr(builtins, value.__name__, None) is value:
            return tagged("type", value.__name__)
        kind = type(value)
        cursor = self._of_tests.get(id(value))
        if cursor is not None:
            return tagged("test", cursor)
        what = {"class": self._describe(value)} if isinstance(value, type) else {}
        return tagged("room", self._number(value), kind=self._describe(kind), **what)

    def _number(self, value):
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._objects) + 1
            self._objects[len(self._objects) + 1] = value
        return self._numbers[id(value)]

    def _describe(self, kind):
        """Return the number of a class, which is described to the tests when it first crosses."""
        number = self._number(kind)
        if number in self._described:
            return number
        self._described.add(number)
        parents = [kind] if _base(kind) else [one for one in kind.__bases__ if one is not object]
        bases = [_base(one) or self._describe(one) for one in parents]
        members = {}
        for name, value in list(vars(kind).items()):
            if name in _HIDDEN:
                continue
            is_special = name[:2] == name[-2:] == "__"
            is_known = isinstance(value, (types.FunctionType, classmethod, staticmethod))
            is_other = callable(value) or value is None if is_special else type(value) is property
            if is_known or is_other:
                self._raw[number, name] = value
                members[name] = "none" if value is None else type(value).__name__
        self._new_classes.append(
            [number, kind.__module__, kind.__qualname__, bases, members],
        )
        return number

    def _known(self, written):
        tag, value = written["t"], written["v"]
        if tag == "room":
            return self._objects[value]
        if tag == "type":
            return getattr(builtins, value)
        if tag == "name":
            found = importlib.import_module(written["module"])
            for part in value.split("."):
                found = getattr(found, part)
            self._of_tests[id(found)] = written["own"]
            return found
        if tag == "raw":
            return self._raw[written["kind"], value]
        if tag == "exception":
            return self._exception(written, Decoder(self._known))
        if value not in self._tests:
            kinds = {"call": _TestFunction, "items": _Items, "next": _Iterator}
            self._tests[value] = kinds.get(tag, _TestObject)(self, value, written["about"])
        return self._tests[value]

    def _exception(self, written, decode):
        """Return an exception of the tests; it goes back as the one that it was."""
        if "room" in written:
            return self._objects[written["room"]]
        kind = getattr(builtins, written["type"])
        fault = kind.__new__(kind)
        fault.args = tuple(decode(one) for one in written["args"])
        self._of_tests[id(fault)] = written["test"]
        self._tests["fault", id(fault)] = fault
        return fault

    def _raised(self, fault, encode):
        if id(fault) in self._of_tests:
            return {"test": self._of_tests[id(fault)]}
        kind = next(one for one in type(fault).__mro__ if _base(one))
        try:
            args = [encode(one) for one in fault.args]
            text = str(fault)
        except BaseException:
            args, text = [], type(fault).__name__
        return {
            "type": kind.__name__,
            "kind": 0 if kind is type(fault) else self._describe(type(fault)),
            "args": args,
            "text": text,
            "room": self._number(fault),
        }

    def _warn(self, message, category, *_):
        kind = next(one for one in category.__mro__ if _base(one))
        number = 0 if kind is category else self._describe(category)
        self._warned.append([str(message), kind.__name__, number])


def _function_of(value) -> Any:
    if isinstance(value, property):
        return value.fget
    return getattr(value, "__func__", value)


def _base(kind):
    """Return the name of a built-in exception class, else an empty text."""
    is_known = issubclass(kind, BaseException) and getattr(builtins, kind.__name__, None) is kind
    return kind.__name__ if is_known else ""


def _signature(parameters):
    made = []
    for name, kind, *default in parameters:
        made.append(inspect.Parameter(name, kind, **({"default": default[0]} if default else {})))
    return inspect.Signature(made)


def main():
    """Serve the tests that opened a room, through two pipes in a folder."""
    folder, name = sys.argv[1:3]
    with (
        open(f"{folder}/{name}.ask", "rb") as asked,
        open(f"{folder}/{name}.answer", "wb") as answers,
    ):
        # The candidate's tree is as it was.
        for end in ("ask", "answer"):
            os.unlink(f"{folder}/{name}.{end}")
        sys.argv[:] = [""]
        sys.path.insert(0, os.getcwd())
        try:
            CandidateRoom(Pipe(asked, answers)).serve()
        except Broken:
            pass
    os._exit(0)
