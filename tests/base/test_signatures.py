"""What must be handed in is counted."""

from collections.abc import Callable

import pytest

from attractor.base.signatures import count_wanted


class Method:
    def plain(self, one: int, two: int) -> None: ...

    def __call__(self, one: int) -> None: ...


def positional(one: int, /, two: int) -> None: ...


def optional(one: int, two: int = 2, *more: int, three: int = 3, **rest: int) -> None: ...


@pytest.mark.parametrize(
    ("called", "wanted"),
    [(Method().plain, 2), (Method(), 1), (positional, 2), (optional, 1), (lambda: None, 0)],
)
def test_what_must_be_handed_in_is_counted(called: Callable[..., object], wanted: int) -> None:
    assert count_wanted(called) == wanted
