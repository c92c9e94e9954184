from typing import Protocol

from attractor.base.kinds import find_shortcoming


class Named(Protocol):
    @property
    def name(self) -> str: ...


class Caller(Named, Protocol):
    def __call__(self, number: int) -> int: ...


class Good:
    name = "good"

    def __call__(self, number: int) -> int:
        return number


class Nameless:
    def __call__(self, number: int) -> int:
        return number


def double(number: int) -> int:
    return 2 * number


def test_a_protocol_asks_for_what_the_protocols_above_it_ask_for() -> None:
    assert find_shortcoming(Good(), Caller) == ""
    assert find_shortcoming(Nameless(), Caller) == (
        "Nameless object has no name, which a Caller needs"
    )


def test_a_function_can_satisfy_a_protocol_that_is_called() -> None:
    class Doubler(Protocol):
        def __call__(self, number: int) -> int: ...

    assert find_shortcoming(double, Doubler) == ""
    assert find_shortcoming(3, Doubler) == "int object has no __call__, which a Doubler needs"


def test_a_class_is_not_asked_for_what_only_its_objects_have() -> None:
    class Sized(Protocol):
        size: int

        def grow(self) -> None: ...

    class Tree:
        def __init__(self) -> None:
            self.size = 1

        def grow(self) -> None:
            self.size += 1

    assert find_shortcoming(Tree, type[Sized]) == ""
    assert find_shortcoming(Good, type[Sized]) == "Good has no grow, which a Sized needs"
