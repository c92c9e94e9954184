"""Runs all cases of a table in one test: the overhead of a test exceeds the cost of most cases.

Collection by every worker, set-up, tear-down and report of a test take 3 ms.
"""

import reprlib
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import iscoroutinefunction, signature
from typing import Any

import pytest

Test = Callable[..., Any]


def table(
    names: str | Sequence[str], cases: Iterable[Any], *, ids: Sequence[str] = ()
) -> Callable[[Test], Test]:
    """Call a test for each case, as `pytest.mark.parametrize` does, and name the failed cases.

    Each case has a `tmp_path` of its own; all other fixtures are shared.
    """
    keys = [one.strip() for one in names.split(",")] if isinstance(names, str) else [*names]
    rows = [(one,) if len(keys) == 1 else tuple(one) for one in cases]
    assert rows, "a table needs cases"

    def decorate(test: Test) -> Test:
        def play(**fixtures: Any) -> None:
            playing = _Playing(keys, rows, ids, fixtures)
            for number in range(len(rows)):
                with playing.case(number) as arguments:
                    test(**arguments)
            playing.end()

        async def play_async(**fixtures: Any) -> None:
            playing = _Playing(keys, rows, ids, fixtures)
            for number in range(len(rows)):
                with playing.case(number) as arguments:
                    await test(**arguments)
            playing.end()

        made: Test = play_async if iscoroutinefunction(test) else play
        made.__name__, made.__doc__, made.__module__ = test.__name__, test.__doc__, test.__module__
        own = signature(test)
        others = [one for one in own.parameters.values() if one.name not in keys]
        vars(made)["__signature__"] = own.replace(parameters=others)
        vars(made)["pytestmark"] = getattr(test, "pytestmark", [])
        return made

    return decorate


@dataclass
class _Playing:
    keys: Sequence[str]
    rows: Sequence[tuple[Any, ...]]
    ids: Sequence[str]
    fixtures: dict[str, Any]
    failed: list[BaseException] = field(default_factory=list[BaseException])

    @contextmanager
    def case(self, number: int) -> Generator[dict[str, Any]]:
        """Yield the arguments of a case; record a failure, so that the next cases run."""
        arguments = self.fixtures | dict(zip(self.keys, self.rows[number], strict=True))
        if "tmp_path" in self.fixtures:
            arguments["tmp_path"] = self.fixtures["tmp_path"] / f"case{number}"
            arguments["tmp_path"].mkdir()
        try:
            yield arguments
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001
            error.add_note(
                f"case: {self.ids[number] if self.ids else reprlib.repr(self.rows[number])}"
            )
            self.failed.append(error)

    def end(self) -> None:
        """Raise the recorded failures."""
        if self.failed:
            only = self.failed[0] if len(self.failed) == 1 else None
            raise only or BaseExceptionGroup("cases failed", self.failed)
