"""What a package says it offers is there, is documented, and is all there is to import from it."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import pytest

import attractor


def all_modules() -> Iterator[ModuleType]:
    yield attractor
    for found in pkgutil.walk_packages(attractor.__path__, "attractor."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


MODULES = list(all_modules())


def names_offered(module: ModuleType) -> list[str]:
    return list(getattr(module, "__all__", []))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_offered_names_are_there_sorted_and_documented(module: ModuleType) -> None:
    names = names_offered(module)
    assert names == sorted(set(names))
    undocumented = [
        name
        for name in names
        if callable(getattr(module, name)) and not inspect.getdoc(getattr(module, name))
    ]
    assert undocumented == []


@pytest.mark.parametrize(
    "module",
    [one for one in MODULES if hasattr(one, "__path__")],
    ids=lambda module: module.__name__,
)
def test_a_package_defines_no_public_name_that_it_does_not_offer(module: ModuleType) -> None:
    defined = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and name != "TYPE_CHECKING"
        and not isinstance(value, ModuleType)
    }
    assert defined <= set(names_offered(module))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_module_says_in_one_sentence_what_it_is(module: ModuleType) -> None:
    first = (inspect.getdoc(module) or "").splitlines()[0]
    assert first[0].isupper() or not first[0].isalpha() or first.split()[0].islower()
    assert len(first) > 10


def test_the_public_door_offers_the_version() -> None:
    assert attractor.__version__.count(".") == 2
    assert "__version__" in attractor.__all__
