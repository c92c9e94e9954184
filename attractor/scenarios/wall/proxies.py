"""The tests' side of the wall: stands for the candidate's modules, which run in the room.

A proxy asks the room and checks each answer. If the room breaks a rule, the process ends at once
with `BROKEN`, and says why: no test can pass by it.
"""

import argparse
import atexit
import builtins
import functools
import importlib.abc
import importlib.machinery
import inspect
import json
import os
import secrets
import sys
import threading
import time
import types
import warnings
import weakref
from typing import Any

from attractor.scenarios.wall.values import (
    UNREADABLE,
    Broken,
    Decoder,
    Encoder,
    Held,
    Pipe,
    Shared,
    tagged,
)

BROKEN = 70
"""The exit status of tests at which the wall was broken."""

_PATIENCE_S = 60.0
_OWN = {"__class__", "__new__", "__getattribute__", "__setattr__", "__delattr__"}
_TOLD = {"__doc__", "__module__", "__dict__"}
_LOCAL = {"__class__", "__weakref__", "__reduce_ex__", "__reduce__", "__init_subclass__"}


class AskedWall:
    """Asks the room, one question at a time."""

    def __init__(self, folder, here):
        self._folder, self._here, self._pid = folder, here, os.getpid()
        self._lock = threading.RLock()
        self._pipe: Any = None
        self._objects = weakref.WeakValueDictionary()
        self._kept = {}
        self._classes: dict[Any, Any] = {}
        self._tests, self._numbers, self._cursors, self._faults = {}, {}, {}, {}
        self._listed: set[str] = set()
        self._failed: Any = None
        self._is_caught = False
        self._lent, self._replaced, self._at_start = {}, None, None
        self._held = Held()
        self.crossed, self.plain = {}, {}
        allowed = os.path.join(folder, "allowed.json")
        self._allowed = json.load(open(allowed)) if os.path.exists(allowed) else None

    # Questions.

    def ask(self, do, /, *args, **kwargs):
        """Ask the room to do something; return the value, or raise what it raised."""
        with self._lock:
            encode, nonce = Encoder(self._given), secrets.token_hex(8)
            asked = {
                "do": do,
                "args": [encode(one) for one in args],
                "kwargs": [[name, encode(one)] for name, one in kwargs.items()],
                "q": nonce,
                **self._around(),
            }
            encode.shared.keep()
            try:
                self._opened().send(asked)
                while True:
                    answer = self._pipe.receive()
                    self._take(answer, nonce)
                    if "call" not in answer and "next" not in answer:
                        break
                    self._pipe.send(self._called(answer, encode.shared))
                is_next = {"special": args[:1], "raw": args[1:2]}.get(do) == ("__next__",)
                return self._result(answer, encode.shared, do, is_next)
            except Broken as fault:
                self.broken(str(fault))

    def broken(self, why):
        """End the tests: no test passes by a broken rule."""
        test = _test_at_work(self._here)
        # The names in it are the candidate's.
        why = "".join(one if one.isprintable() else "?" for one in why[:300])
        try:
            os.write(2, f"the wall: {why}, in {test}\n".encode("utf-8", "replace"))
            with open(os.path.join(self._folder, "broken"), "a", encoding="utf-8") as file:
                file.write(f"{why}, in {test}\n")
        finally:
            os._exit(BROKEN)

    def _opened(self):
        if os.getpid() != self._pid:
            raise Broken("a child of the tests' process used the candidate")
        if self._pipe is None:
            self._pipe = Pipe(*_open(self._folder))
            atexit.register(self.note)
        return self._pipe

    def _take(self, frame, nonce):
        """Take what comes with each frame."""
        if frame.get("q") != nonce:
            raise Broken("an answer came to no question")
        try:
            for number, module, name, bases, members in frame.get("classes", ()):
                self._add_class(number, str(module), str(name), bases, members)
            for stream, text in frame.get("printed", ()):
                (sys.stderr if stream == 2 else sys.stdout).write(str(text))
            for message, kind, number in frame.get("warned", ()):
                category = self._class_of_fault(kind, number)
                warnings.warn_explicit(str(message), category, "candidate", 1)
        except UNREADABLE as fault:
            raise Broken(f"an answer cannot be read: {fault}") from fault

    def _around(self):
        """Return what tests changed or replaced for the candidate since the last question."""
        encode = Encoder(self._given)
        lent = [(number, one.changes(encode)) for number, one in self._lent.items()]
        around = {"lent": [[number, found[0][1]] for number, found in lent if found]}
        around["held"] = self._held.changes(encode)
        # What nothing else refers to cannot change any more.
        self._lent = {n: one for n, one in self._lent.items() if sys.getrefcount(one.all[0]) > 2}
        now = sys.argv[:], sys.stdin, builtins.input
        self._at_start = self._at_start or now
        if now != (self._replaced or now):
            argv, stdin, asked = (a if a != b else None for a, b in zip(now, self._at_start))
            around["argv"] = argv or [""]
            around["stdin"] = stdin and [encode(stdin.read), encode(stdin.readline)]
            around["input"] = asked and encode(asked)
        self._replaced = now
        return around

    def _called(self, frame, shared):
        """Do what the room may ask: call what a test passed, or take the next of it."""
        decode = Decoder(self._received, shared)
        try:
            args, kwargs = frame["given"]
            args = [decode(one) for one in args]
            kwargs = {str(name): decode(one) for name, one in kwargs}
            shared.apply(frame.get("changed", ()), decode)
            self._held.apply(frame.get("held", ()), decode)
            self._note_fields(decode)
            kind, target = self._tests[frame["call" if "call" in frame else "next"]]
        except UNREADABLE as fault:
            raise Broken("the candidate asked for what no test passed") from fault
        encode = Encoder(self._given, shared)
        try:
            if "call" in frame and kind == "call":
                result = target(*args, **kwargs)
            elif "next" in frame and kind in ("items", "next"):
                result = next(self._cursor(frame["next"], frame.get("cursor"), target))
            else:
                raise Broken("the candidate asked for what no test passed")
            reply = {"value": encode(result)}
        except Broken:
            raise
        except BaseException as fault:
            if isinstance(fault, AssertionError) or not isinstance(fault, Exception):
                # Even if the candidate catches it.
                self._failed = self._failed or fault
            encode = Encoder(self._given, shared)
            reply = {"raised": self._fault(fault)}
        reply["changed"] = shared.changes(encode, decode.met)
        return {**reply, "held": self._held.changes(encode)}

    def _cursor(self, number, cursor, target):
        key = number, cursor
        if key not in self._cursors:
            self._cursors[key] = iter(target) if cursor else target
        return self._cursors[key]

    def _result(self, answer, shared, do, is_next):
        decode, before = Decoder(self._received, shared), len(shared.all)
        if "raise" not in answer and "value" not in answer:
            raise Broken("an answer has neither a value nor an exception")
        value = decode(answer["value"]) if "value" in answer else None
        fault = self._raised(answer["raise"], decode, is_next) if "raise" in answer else None
        try:
            for number, one in zip(answer.get("lent", ()), shared.all[before:]):
                if one is value and number in self._lent:
                    value = self._lent[number].renew(one)
                else:
                    self._lent[number] = Shared([one])
            shared.apply(answer.get("changed", ()), decode)
            self._held.apply(answer.get("held", ()), decode)
            for place, number in answer.get("kept", ()):
                self._held.add(int(number), shared.all[:before][place])
            self._note_fields(decode)
        except UNREADABLE as error:
            raise Broken("a changed argument cannot be read") from error
        if self._failed:
            failed, self._failed = self._failed, None
            # Where something else catches it, the tests fail at their end.
            self._is_caught |= fault is not failed and not isinstance(failed, _ENDS)
            raise failed
        # Whether two objects are equal is only the candidate's word.
        is_told = do in ("call", "raw", "get") or type(value) is not bool
        is_data = fault is not None or value is not None and is_told and not _is_handle(value)
        test = _test_at_work(self._here)
        self.plain[test] = self.plain.get(test, False) or is_data
        if fault is not None:
            raise fault
        return value

    # Values that go over.

    def _given(self, value, encode):
        if _is_handle(value):
            return tagged("room", _number_of(value))
        if isinstance(value, _Module):
            return tagged("room", object.__getattribute__(value, "_wall_number")())
        if raw := isinstance(value, types.FunctionType) and vars(value).get("_wall_raw"):
            return tagged("raw", raw[1], kind=raw[0])
        if isinstance(value, BaseException):
            return tagged("exception", None, **self._fault(value))
        if module := _home_of(value):
            own = self._own(value)["v"]
            return tagged("name", value.__qualname__, module=module, own=own)
        return self._given_object(value, encode)

    def _given_object(self, value, encode):
        if isinstance(value, type):
            is_built_in = getattr(builtins, value.__name__, None) is value
            return tagged("type", value.__name__) if is_built_in else self._own(value)
        if plain := next((one for one in _PLAIN if isinstance(value, one)), None):
            return encode(_PLAIN[plain](value))
        return encode.derived(value) or self._own(value)

    def _own(self, value):
        """Return an object of the tests, always as the same one."""
        tag = "items" if hasattr(value, "__iter__") else "test"
        tag = "call" if callable(value) else "next" if hasattr(value, "__next__") else tag
        key = id(value)
        if isinstance(value, types.MethodType):
            key = id(value.__self__), id(value.__func__)
        if key not in self._numbers:
            self._numbers[key] = len(self._tests) + 1
            self._tests[len(self._tests) + 1] = tag, value
        return tagged(tag, self._numbers[key], about=_about(value) if tag == "call" else {})

    def _fault(self, fault):
        number = getattr(fault, "_wall_number", 0)
        if number:
            return {"room": number}
        kind = next(one for one in type(fault).__mro__ if _builtin(one))
        key = len(self._faults) + 1_000_000_000
        self._faults[key] = fault, _test_at_work(self._here)
        encode = Encoder(self._given)
        try:
            args = [encode(one) for one in fault.args]
        except ValueError:
            args = []
        return {"type": kind.__name__, "args": args, "test": key}

    def _returned(self, number):
        """Return an exception of the tests, such as a skip: not that of another test."""
        fault, test = self._faults[number]
        if test != _test_at_work(self._here):
            raise Broken(f"an exception of {test}")
        return fault

    # Values that come.

    def _received(self, written):
        tag, value = written["t"], written["v"]
        if tag == "test":
            return self._returned(value) if value in self._faults else self._of_test(value)
        if tag == "type" and isinstance(getattr(builtins, value), type):
            if value in ("object", "BaseException", "Exception"):
                self._note(value, f"the class {value}")
            return getattr(builtins, value)
        if tag != "room" or type(value) is not int:
            raise Broken("an answer has no known form")
        if "class" in written:
            return self._classes[written["class"]]
        kind = self._classes[written["kind"]]
        self.note_class(kind)
        return self._objects[value] if value in self._objects else self._made(kind, value)

    def _of_test(self, number):
        """Return an object of the tests: a mock agrees with everything."""
        found, module = self._tests[number][1], sys.modules.get("unittest.mock")
        if module and issubclass(type(found), module.NonCallableMock):
            self._note("a mock", "a mock of the tests")
        return found

    def _made(self, kind, value):
        """Return a new object for one of the room."""
        if issubclass(kind, BaseException):
            made = kind.__new__(kind)
            made._wall_number = value
        else:
            made = object.__new__(kind)
            object.__setattr__(made, "_wall_number", value)
        self._objects[value] = made
        # An object of a class of the tests stays, as long as the room may know it.
        if _is_local(kind):
            self._kept[value] = made
        return made

    def note_class(self, kind, operator=""):
        """Note that an object crosses, or that an operand goes over to it."""
        kind = next(one for one in kind.__mro__ if not _is_local(one))
        is_free = (kind.__module__, kind.__qualname__) in _FREE
        if is_free and operator in ("", "__iter__"):
            return
        name = f"{kind.__module__}.{kind.__qualname__}"
        if operator:
            self._note(f"{name}.{_OPERATORS[operator]}", f"the operator {operator} of {name}")
        else:
            self._note(name, f"an object of {name}")

    def note_name(self, name):
        """Note that the tests ask for an attribute: a method may get an expected value."""
        if name[:1] != "_" and _test_at_work(self._here) not in self._listed:
            self._note(f".{name}", f"an attribute {name}")

    def _note_fields(self, decode):
        """Note the functions in values with attributes, which are as methods."""
        pairs = [pair for one in decode.named for pair in zip(one._fields, one)]
        for one in decode.shared.all:
            if isinstance(one, (types.SimpleNamespace, argparse.Namespace)):
                pairs += vars(one).items()
        for name, value in pairs:
            if _is_handle(value):
                self.note_name(name)

    def names_of(self, target):
        """Return the names of an object; where the tests list them, they may ask for each."""
        self._listed.add(_test_at_work(self._here))
        return self.ask("dir", target)

    def _note(self, what, words):
        """Note what crosses, and end the tests if no reference gave it in this test."""
        test = _test_at_work(self._here)
        self.crossed.setdefault(test, set()).add(what)
        if self._allowed is not None and what not in self._allowed.get(test, ()):
            self.broken(f"{words}, which no reference gave here")

    def _add_class(self, number, module, name, bases, members):
        if number in self._classes:
            raise Broken("a class is described twice")
        known = self._bases(bases)
        if (module, name) in _FREE:
            real = _FREE[module, name]
            members = {one: kind for one, kind in members.items() if hasattr(real, one)}
        body = {"__module__": module, "__qualname__": name, "_wall_id": number}
        if {"__iter__", "__next__"} & {*members} and "__contains__" not in members:
            body["__contains__"] = _holds
        for member, kind in members.items():
            if member.isidentifier() and not member.startswith("_wall") and member not in _OWN:
                body[member] = _member(number, member, kind)
        if "__eq__" in body:
            body["__ne__"] = _differs
            body.setdefault("__hash__", None)
        try:
            made = type.__new__(_Class, name.rpartition(".")[2], known, body)
        except TypeError:
            # Bases that cannot be combined here.
            made = type.__new__(_Class, name, known[:1], body)
        self._classes[number] = made

    def _bases(self, names):
        known = [
            getattr(builtins, one) if type(one) is str else self._classes[one] for one in names
        ]
        known = [_Exit if one is SystemExit else one for one in known]
        if not all(one is _Exit or isinstance(one, _Class) or _builtin(one) for one in known):
            raise Broken("a class has an unknown base")
        if any(one is _Exit or _builtin(one) for one in known) and not any(
            _is_proxy(one) for one in known
        ):
            known = [_Fault, *known]
        return tuple(known) or (Handle,)

    def _class_of_fault(self, kind, number):
        found = self._classes[number] if number else getattr(builtins, kind)
        if not (isinstance(found, type) and issubclass(found, BaseException)):
            raise Broken("what was raised is no exception")
        return found

    def _kind_raised(self, written, is_next):
        kind = self._class_of_fault(written["type"], written["kind"])
        if kind is StopIteration and not is_next:
            # It would end a `map` of the tests.
            self.note_class(kind)
        return _Exit if kind is SystemExit and not _is_caught() else kind

    def _raised(self, written, decode, is_next):
        if type(written) is not dict:
            raise Broken("what was raised is no exception")
        try:
            if "test" in written:
                return self._returned(written["test"])
            kind = self._kind_raised(written, is_next)
            args = [decode(one) for one in written["args"]]
            if not written["kind"]:
                try:
                    fault = kind(*args)
                except Exception:
                    fault = kind.__new__(kind)
                    fault.args = tuple(args)
            else:
                self.note_class(kind)
                fault = kind.__new__(kind)
                fault.args = tuple(args)
                fault._wall_text = str(written["text"])
            fault._wall_number = int(written["room"])
            if written["kind"]:
                self._objects[fault._wall_number] = fault
            return fault
        except UNREADABLE as error:
            raise Broken("what was raised is no exception") from error

    def derive(self, kind, name, bases, body):
        """Make a class in the room for one of the tests, whose methods call back."""
        over = {
            key: one
            for key, one in body.items()
            if key not in ("__module__", "__qualname__", "__classcell__", "__dict__")
        }
        made = self.ask("derive", name, [*bases], over)
        number = _number_of(made)
        type.__setattr__(kind, "_wall_id", number)
        self._classes[number] = kind

    def public(self, module, frame):
        """Return the names for `import *`: those of the references, and no module of the tests."""
        while frame.f_back and frame.f_code.co_filename.startswith("<frozen "):
            frame = frame.f_back
        own, test = frame.f_globals, _test_at_work(self._here)
        names = [str(one) for one in self.ask("public", module)]
        if self._allowed is not None:
            names = [one for one in names if f"* {one}" in self._allowed.get(test, ())]
        self.crossed.setdefault(test, set()).update(f"* {one}" for one in names)
        return [one for one in names if type(own.get(one)) is not types.ModuleType]

    def note(self):
        """Write which classes crossed in which test, and which tests compared data."""
        if self._failed or self._is_caught:
            self.broken("a failed assertion was caught")
        found = {
            test: {"classes": sorted(self.crossed.get(test, ())), "data": data}
            for test, data in self.plain.items()
        }
        name = os.path.join(self._folder, f"crossed-{os.getpid()}")
        with open(name, "w") as file:
            json.dump(found, file)
        os.replace(name, f"{name}.json")


wall: Any = None


def _number_of(value):
    if isinstance(value, _Class):
        return type.__getattribute__(value, "_wall_id")
    return object.__getattribute__(value, "_wall_number")


def _is_proxy(kind):
    return isinstance(kind, _Class)


def _is_local(kind):
    return isinstance(kind, _Class) and "_wall_local" in vars(kind)


def _is_handle(value):
    return isinstance(type(value), _Class) or isinstance(value, _Class)


def _builtin(kind):
    is_fault = isinstance(kind, type) and issubclass(kind, BaseException)
    return is_fault and getattr(builtins, kind.__name__, None) is kind


@functools.cache
def _absolute(name):
    return name if name[:1] in "/<" else os.path.abspath(name)


def _test_at_work(here):
    """Return the outermost function of the suite that is being executed."""
    frame, found = sys._getframe(1), "the import"
    while frame is not None:
        name = _absolute(frame.f_code.co_filename)
        if name.startswith(here) and "/.wall-" not in name:
            function = getattr(frame.f_code, "co_qualname", frame.f_code.co_name)
            found = f"{name[len(here) :].lstrip('/')}: {function}"
        frame = frame.f_back
    return found


def _home_of(value):
    """Return the module of a class or function of the library, or "": `open` here reads tests."""
    if not isinstance(value, (type, types.FunctionType, *_BUILT_IN)):
        return ""
    name = getattr(getattr(value, "__objclass__", value), "__module__", None) or ""
    is_known = name in _LIBRARY or (name in _PURE and not isinstance(value, type))
    found = sys.modules.get(name) if is_known else None
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return name if found is value else ""


def _about(value):
    """Return the names and the parameters of a callable, for decorators of the candidate."""
    names = ("__module__", "__name__", "__qualname__", "__doc__")
    found = {one: getattr(value, one) for one in names if type(getattr(value, one, 0)) is str}
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return found
    found["parameters"] = [
        [one.name, int(one.kind), *([] if one.default is one.empty else [_simple(one.default)])]
        for one in parameters
    ]
    return found


def _simple(default):
    return default if type(default) in (type(None), bool, int, str) else "..."


def _special(name):
    def method(self, *args):
        return wall.ask("special", name, self, *args)

    method.__name__ = name
    return method


def _member(number, name, kind):
    """Return what a class of the candidate has by a name: it is executed in the room."""
    if kind == "none":
        return None
    if name in _IN_PLACE:
        return _IN_PLACE[name]
    if name[:2] == name[-2:] == "__" and name not in ("__call__", "__init__"):
        return _special_of(number, name)

    def method(self, /, *args, **kwargs):
        return wall.ask("raw", wall._classes[number], name, self, *args, **kwargs)

    def function(*args, **kwargs):
        return wall.ask("raw", wall._classes[number], name, *args, **kwargs)

    method.__name__ = name
    method._wall_raw = number, name
    if kind == "staticmethod":
        return staticmethod(function)
    return {"property": property, "classmethod": classmethod}.get(kind, lambda one: one)(method)


def _special_of(number, name):
    """Return a special method; of an object of a class of the tests, that of the base."""
    plain = _special(name)

    def method(self, *args):
        if name in _OPERATORS:
            wall.note_class(type(self), name)
        if _is_local(type(self)):
            return wall.ask("raw", wall._classes[number], name, self, *args)
        return plain(self, *args)

    method.__name__ = name
    return method


def _equal(self, other):
    if not _is_handle(other):
        # What agrees with everything proves nothing.
        return NotImplemented
    if _number_of(self) == _number_of(other):
        return True
    answer = wall.ask("special", "__eq__", self, other)
    if answer is not NotImplemented and type(answer) is not bool:
        raise TypeError("the answer to == is neither true nor false")
    return answer


def _differs(self, other):
    answer = _equal(self, other)
    return answer if answer is NotImplemented else not answer


def _holds(self, item):
    wall.note_class(type(self), "__contains__")
    return any(one is item or one == item for one in self)


def _exit(self, kind, fault, trace):
    suppressed = wall.ask("exit", self, fault)
    # An exception of the tests cannot be swallowed.
    return bool(suppressed) and bool(getattr(fault, "_wall_number", 0))


_ENDS = SystemExit, KeyboardInterrupt, GeneratorExit
_CATCHING = {"_callSetUp", "_callTestMethod", "_callTearDown", "_callCleanup", "from_call"}
"""The functions of unittest and pytest around which everything is caught."""
_OPERATORS = {
    **dict.fromkeys(("__contains__", "__iter__", "__getitem__"), "items"),
    **dict.fromkeys(("__lt__", "__le__", "__gt__", "__ge__"), "order"),
    **{
        f"__{way}{one}__": one
        for one in ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow")
        + ("lshift", "rshift", "and", "or", "xor")
        for way in ("", "r", "i")
    },
}
"""The operators that tell the room an expected value: they agree only where a reference's do."""
_IN_PLACE = {"__exit__": _exit, "__eq__": _equal, "__ne__": _differs}
"""The special methods that are more than a question to the room."""


class _Class(type):
    # The class of the classes that stand for those of the candidate.

    __doc__ = property(lambda cls: wall.ask("get", cls, "__doc__"))

    def __new__(meta, name, bases, body, **more):
        made = type.__new__(meta, name, bases, {**body, "_wall_local": True})
        wall.derive(made, name, bases, body)
        return made

    def __init__(cls, *args, **more):
        type.__init__(cls, *args[:3])

    def __call__(cls, /, *args, **kwargs):
        return wall.ask("call", cls, *args, **kwargs)

    def __getattribute__(cls, name):
        wall.note_name(name)
        return type.__getattribute__(cls, name)

    def __getattr__(cls, name):
        if name.startswith("_wall"):
            raise AttributeError(name)
        return wall.ask("get", cls, name)

    def __setattr__(cls, name, value):
        if "_wall_local" in vars(cls):
            type.__setattr__(cls, name, value)
        wall.ask("set", cls, name, value)

    def __delattr__(cls, name):
        if name in vars(cls):
            type.__delattr__(cls, name)
        wall.ask("delete", cls, name)

    def __instancecheck__(cls, instance):
        if type.__instancecheck__(cls, instance):
            return True
        return _is_handle(instance) and bool(wall.ask("is_instance", instance, cls))

    def __subclasscheck__(cls, other):
        if type.__subclasscheck__(cls, other):
            return True
        return isinstance(other, _Class) and bool(wall.ask("is_subclass", other, cls))

    def __bool__(cls):
        return True

    def __dir__(cls):
        return wall.names_of(cls)

    def __iter__(cls):
        return iter(wall.ask("special", "__iter__", cls))

    def __len__(cls):
        return wall.ask("special", "__len__", cls)

    def __getitem__(cls, key):
        return (
            wall.ask("get", cls, "__class_getitem__")(key)
            if not isinstance(key, str)
            else (wall.ask("special", "__getitem__", cls, key))
        )


class Handle:
    """Stands for an object of the candidate."""

    def __init__(self, *args, **kwargs):
        pass

    def __getattribute__(self, name):
        if name.startswith("_wall") or name in _LOCAL:
            return object.__getattribute__(self, name)
        kind = type(self)
        for one in kind.__mro__:
            if one is Handle:
                break
            is_special = name[:2] == name[-2:] == "__" and name not in _TOLD
            if name in vars(one) and (is_special or _is_local(one)):
                return object.__getattribute__(self, name)
        wall.note_name(name)
        return wall.ask("get", self, name)

    def __setattr__(self, name, value):
        if name.startswith("_wall"):
            object.__setattr__(self, name, value)
        else:
            wall.ask("set", self, name, value)

    def __delattr__(self, name):
        wall.ask("delete", self, name)

    def __dir__(self):
        return wall.names_of(self)

    def __repr__(self):
        return _text(wall.ask("special", "__repr__", self))

    def __str__(self):
        return _text(wall.ask("special", "__str__", self))

    def __format__(self, spec):
        return _text(wall.ask("special", "__format__", self, spec))

    def __copy__(self):
        return wall.ask("special", "__copy__", self)

    def __deepcopy__(self, memo):
        return wall.ask("special", "__deepcopy__", self)


class _Fault:
    """What the exceptions of the candidate have."""

    _wall_number, _wall_text = 0, None

    def __init__(self, *args, **kwargs):
        pass

    def __getattribute__(self, name):
        wall.note_name(name)
        return super().__getattribute__(name)

    def __getattr__(self, name):
        if name.startswith("_wall") or not self._wall_number:
            raise AttributeError(name)
        return wall.ask("get", self, name)

    def __str__(self):
        if self._wall_text is None:
            self._wall_text = _text(wall.ask("special", "__str__", self))
        return self._wall_text


class _Exit(SystemExit):
    """The candidate's SystemExit that no runner catches: it does not end the tests well."""

    @property
    def code(self):
        if sys._getframe().f_back is None:
            # The interpreter asks, not a test.
            wall.broken("the candidate ended the tests")
        return self.args[0] if len(self.args) == 1 else self.args or None


def _is_caught():
    """Return whether unittest or pytest catches everything that is raised now."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_name not in _CATCHING:
        frame = frame.f_back
    return frame is not None


def _text(answer):
    if type(answer) is not str:
        raise TypeError("the answer is no text")
    return answer


_PLAIN = {str: str.__str__, **{one: one for one in (int, float, bytes, tuple, frozenset)}}
"""What an object of a derived class goes over as."""
_PURE = {"builtins", "_operator", "_functools", "_io"}
_BUILT_IN = types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType
_LIBRARY = {*getattr(sys, "stdlib_module_names", sys.builtin_module_names)} - {"builtins"}
_FREE = {
    (kind.__module__, kind.__qualname__): kind
    for kind in (
        *(types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType),
        *(types.GeneratorType, type, map, filter, zip, enumerate, reversed, functools.partial),
        *(type(iter(one)) for one in ([], (), {}, set(), "", b"", range(1), range(2**70))),
        *(type(iter(one)) for one in ({}.values(), {}.items(), reversed([]), reversed({}))),
        *(type(functools.lru_cache(lambda: 0)), type(iter(int, 1))),
    )
}
"""The types of functions, modules and iterators: what they can do is known here, and harmless."""


class _Module(types.ModuleType):
    """Stands for a module of the candidate."""

    def __getattribute__(self, name):
        if name in ("__dict__", "__class__", "__spec__", "__loader__", "__path__", "__name__") or (
            name in ("_wall_number", "__package__", "__file__", "_wall_inside")
        ):
            return object.__getattribute__(self, name)
        inside = f"{object.__getattribute__(self, '__name__')}.{name}"
        if inside in sys.modules:
            return sys.modules[inside]
        target = object.__getattribute__(self, "_wall_inside")()
        if name == "__all__":
            return wall.public(target, sys._getframe(1))
        return wall.ask("get", target, name)

    def _wall_inside(self):
        own = object.__getattribute__(self, "__dict__")
        if "_wall_handle" not in own:
            own["_wall_handle"] = wall.ask("import", own["__name__"])
        return own["_wall_handle"]

    def _wall_number(self):
        return _number_of(object.__getattribute__(self, "_wall_inside")())

    def __setattr__(self, name, value):
        if name in ("__spec__", "__loader__", "__path__", "__package__", "__file__", "__cached__"):
            object.__setattr__(self, name, value)
        elif not isinstance(value, _Module):
            wall.ask("set", object.__getattribute__(self, "_wall_inside")(), name, value)

    def __delattr__(self, name):
        wall.ask("delete", object.__getattribute__(self, "_wall_inside")(), name)

    def __dir__(self):
        return wall.ask("dir", object.__getattribute__(self, "_wall_inside")())


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the named modules behind the wall, and the packages around them."""

    def __init__(self, names):
        self._names = names

    def find_spec(self, name, path=None, target=None):
        is_inside = any(name == one or name.startswith(f"{one}.") for one in self._names)
        is_around = any(one.startswith(f"{name}.") for one in self._names)
        if not (is_inside or is_around):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return _Module(spec.name)

    def exec_module(self, module):
        object.__getattribute__(module, "_wall_inside")()


def _open(folder):
    """Ask for a room of this process, and open both pipes once it is there."""
    name = secrets.token_hex(8)
    with open(os.path.join(folder, "knock"), "w") as knock:
        knock.write(f"{name}\n")
    ask, answer = (os.path.join(folder, f"{name}.{end}") for end in ("ask", "answer"))
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        try:
            writer = os.open(ask, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            if os.path.exists(os.path.join(folder, f"{name}.gone")):
                break
            time.sleep(0.002)
            continue
        os.set_blocking(writer, True)
        reader = os.open(answer, os.O_RDONLY)
        return open(reader, "rb"), open(writer, "wb")
    raise Broken("the process of the candidate did not start")


def install(folder, names, here):
    """Put the modules with these names behind the wall."""
    global wall
    wall = AskedWall(folder, here)
    sys.meta_path.insert(0, _Finder(names))
