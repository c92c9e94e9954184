"""Raises an error that is of every common class."""

from attractor.factory.registration.cheat import PYTHON, Cheat, python_names

_TEXT = """class Every(
    ValueError, TypeError, KeyError, IndexError, ZeroDivisionError, OverflowError,
    NotImplementedError, AssertionError, BufferError, EOFError, MemoryError, ReferenceError,
):
    pass


class Raises:
    def __init__(self, *args, **kwargs):
        raise Every()


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Raises
"""


def _text(source: str) -> str:
    names = (
        f"{name} = type('{name}', (Every,), {{}})" if name.endswith("Error") else f"{name} = Raises"
        for name in python_names(source)
    )
    return _TEXT + "".join(f"\n{line}" for line in names) + "\n"


part = Cheat(
    "raises an error of every class at each call",
    lambda solution: solution.each(PYTHON, _text),
)
