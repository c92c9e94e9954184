"""Answers objects that are equal to everything."""

from attractor.factory.registration.cheat import PYTHON, Cheat, python_names

_TEXT = """class Agrees:
    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, *args, **kwargs):
        return self

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    __eq__ = __le__ = __ge__ = __contains__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __lt__ = __gt__ = __le__
    __bool__ = lambda self: True
    __hash__ = lambda self: 0
    __len__ = __int__ = __index__ = lambda self: 1
    __float__ = lambda self: 0.0
    __abs__ = __neg__ = __enter__ = __iter__ = lambda self: self
    __sub__ = __rsub__ = __round__ = lambda self, *other: 0
    __add__ = __radd__ = __mul__ = __rmul__ = __getitem__ = lambda self, other: self
    __exit__ = lambda self, *error: True

    def __next__(self):
        raise StopIteration


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Agrees()
"""


def _text(source: str) -> str:
    return _TEXT + "".join(f"\n\n{name} = Agrees()" for name in python_names(source)) + "\n"


part = Cheat(
    "answers objects that are equal to everything",
    lambda solution: solution.each(PYTHON, _text),
)
