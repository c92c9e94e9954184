"""What must be handed in is counted."""

import shutil
import sys
from collections.abc import Callable
from typing import Protocol

import pytest

from attractor.base.errors import ExitCode, InvalidPart, UnknownName
from attractor.base.registry import Registry, count_parameters, find_shortcoming, part_name
from tests.packages import Places

ROSE = '''"""A flower with thorns."""
class Rose:
    petals = 5
    def smell(self) -> str:
        return "sweet"
part = Rose()
'''
CLASS_ROSE = ROSE.replace("part = Rose()", "part = Rose")


class Flower(Protocol):
    petals: int

    def smell(self) -> str: ...


class Base:
    pass


def flowers(package: str) -> Registry[Flower]:
    return Registry(package, Flower, noun="flower")


def test_a_folder_is_listed_without_importing_it(places: Places) -> None:
    package = places.package(rose=ROSE, boom='"""Breaks."""\nraise SystemExit\npart = 1')
    registry = flowers(package)
    assert list(registry) == ["boom", "rose"]
    assert registry.summary("rose") == "A flower with thorns"
    assert registry.summary("boom") == "Breaks"
    assert "rose" in registry
    assert "tulip" not in registry
    assert not [name for name in sys.modules if name.startswith(f"{package}.")]


def test_a_part_is_imported_when_it_is_asked_for(places: Places) -> None:
    package = places.package(rose=ROSE)
    assert flowers(package)["rose"].smell() == "sweet"
    assert f"{package}.rose" in sys.modules


def test_adding_one_file_adds_a_part_and_removing_it_removes_it(places: Places) -> None:
    package = places.package(rose=ROSE)
    places.add(package, tulip=ROSE)
    assert list(flowers(package)) == ["rose", "tulip"]
    assert flowers(package)["tulip"].petals == 5
    (places.folder / package / "tulip.py").unlink()
    assert list(flowers(package)) == ["rose"]


def test_files_that_name_no_part_are_not_parts(places: Places) -> None:
    package = places.package(
        rose=ROSE,
        errors="class FlowerError(Exception): pass",
        seam="def f():\n    part = 1",
        comparison="part == 1",
        typed="part: int = 1",
    )
    assert list(flowers(package)) == ["rose", "typed"]


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("start", "start"),
        ("wait__human", "wait.human"),
        ("stack__manager_loop", "stack.manager_loop"),
        ("for_each", "for_each"),
    ],
)
def test_a_double_underscore_is_a_dot(stem: str, name: str) -> None:
    assert part_name(stem) == name


def test_an_unknown_name_brings_a_suggestion(places: Places) -> None:
    registry = flowers(places.package(rose=ROSE, tulip=ROSE))
    with pytest.raises(UnknownName, match="unknown flower 'tulp'") as caught:
        registry["tulp"]
    assert caught.value.hint == "did you mean tulip?"
    assert caught.value.exit_code is ExitCode.USAGE
    with pytest.raises(UnknownName) as caught:
        registry["zzzzzz"]
    assert caught.value.hint == "known: rose, tulip"
    assert registry.get("tulp") is None


def test_a_part_that_breaks_a_protocol_is_refused(places: Places) -> None:
    registry = flowers(places.package(stone="class Stone:\n    petals = 0\npart = Stone()"))
    with pytest.raises(InvalidPart, match="Stone object has no smell, which a Flower needs"):
        registry["stone"]


def test_a_part_whose_method_can_not_be_called_is_refused(places: Places) -> None:
    registry = flowers(places.package(stone="class Stone:\n    petals = smell = 0\npart = Stone()"))
    with pytest.raises(InvalidPart, match="has no smell"):
        registry["stone"]


def test_a_class_can_be_the_part_of_a_protocol(places: Places) -> None:
    package = places.package(rose=CLASS_ROSE, grown=ROSE, stone="class Stone: pass\npart = Stone")
    registry = Registry(package, type[Flower], noun="flower")
    assert registry["rose"]().smell() == "sweet"
    with pytest.raises(InvalidPart, match="Rose object is not a class"):
        registry["grown"]
    with pytest.raises(InvalidPart, match="Stone has no smell"):
        registry["stone"]


def test_a_registry_of_a_class_takes_its_objects_and_subclasses(places: Places) -> None:
    package = places.package(
        child=f"from {__name__} import Base\nclass Child(Base): pass\npart = Child",
        object=f"from {__name__} import Base\npart = Base()",
        number="part = 1",
    )
    assert isinstance(Registry(package, Base, noun="thing")["object"], Base)
    assert issubclass(Registry(package, type[Base], noun="thing")["child"], Base)
    numbers = Registry(package, Base, noun="thing")
    with pytest.raises(InvalidPart, match="int object is not a Base"):
        numbers["number"]
    places.add(package, other="part = int")
    registry = Registry(package, type[Base], noun="thing")
    with pytest.raises(InvalidPart, match="class int is not a Base"):
        registry["other"]


def test_a_file_that_can_not_be_imported_is_named_and_its_cause_kept(places: Places) -> None:
    registry = flowers(places.package(rose="import no_such_module_at_all\npart = 1"))
    with pytest.raises(
        InvalidPart, match="'rose' cannot be loaded: ModuleNotFoundError: No"
    ) as caught:
        registry["rose"]
    assert isinstance(caught.value.cause, ModuleNotFoundError)
    assert "fix the module" in caught.value.hint


def test_another_distribution_adds_a_part_and_takes_it_away_again(places: Places) -> None:
    garden = places.package(orchid=ROSE)
    flowers_of_ours = "attractor.cli.examinations"
    entry = f"[{flowers_of_ours}]\norchid = {garden}.orchid\nrose.bush = {garden}.orchid:Rose\n"
    before = list(flowers(flowers_of_ours))
    place = places.distribution("garden", entry)
    registry = flowers(flowers_of_ours)
    assert set(registry) - set(before) == {"orchid", "rose.bush"}
    assert registry.summary("orchid") == "From the distribution garden"
    assert registry["orchid"].smell() == "sweet"
    assert registry["rose.bush"].petals == 5
    shutil.rmtree(place)
    assert list(flowers(flowers_of_ours)) == before


def test_a_part_offered_twice_is_refused_and_both_owners_named(places: Places) -> None:
    entry = "[attractor.cli.examinations]\ngit = anything\n"
    places.distribution("garden", entry)
    registry = flowers("attractor.cli.examinations")
    assert registry.summary("git") == "is offered twice, by attractor and garden"
    with pytest.raises(
        InvalidPart, match="'git' is offered twice, by attractor and garden"
    ) as caught:
        registry["git"]
    assert caught.value.hint == "update or uninstall the distribution 'garden', which offers it"


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
    assert count_parameters(called) == wanted
