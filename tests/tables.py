"""Plays all cases of a table in one test: a test of its own costs more than most cases do.

For each test, three workers collect it, one reports it, and pytest sets up and tears down: 4 ms.
"""

import reprlib
from collections.abc import Callable, Iterable, Sequence
from inspect import signature
from typing import Any

import pytest

Test = Callable[..., None]


def table(
    names: str | Sequence[str], cases: Iterable[Any], *, ids: Sequence[str] = ()
) -> Callable[[Test], Test]:
    """Call a test for each case, as `pytest.mark.parametrize` does, and name those that fail."""
    keys = [one.strip() for one in names.split(",")] if isinstance(names, str) else [*names]
    rows = [(one,) if len(keys) == 1 else tuple(one) for one in cases]

    def decorate(test: Test) -> Test:
        def play(**others: Any) -> None:
            failed: list[BaseException] = []
            for number, row in enumerate(rows):
                try:
                    test(**others, **dict(zip(keys, row, strict=True)))
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001
                    error.add_note(f"case: {ids[number] if ids else reprlib.repr(row)}")
                    failed.append(error)
            if failed:
                raise failed[0] if len(failed) == 1 else BaseExceptionGroup("cases failed", failed)

        play.__name__, play.__doc__, play.__module__ = test.__name__, test.__doc__, test.__module__
        own = signature(test)
        others = [one for one in own.parameters.values() if one.name not in keys]
        vars(play)["__signature__"] = own.replace(parameters=others)
        vars(play)["pytestmark"] = getattr(test, "pytestmark", [])
        assert rows, f"no cases of {test.__name__}"
        return play

    return decorate
