"""Public names of each package exist and are documented."""

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import attractor

_PARTS = [one.name for one in pkgutil.iter_modules(attractor.__path__, "attractor.")]
ROOMS = ["attractor", *_PARTS]


def modules_of(room: str) -> list[ModuleType]:
    if room == "attractor":
        return [attractor]
    found = pkgutil.walk_packages(attractor.__path__, "attractor.")
    names = [one.name for one in found if f"{one.name}.".startswith(f"{room}.")]
    return [importlib.import_module(one) for one in names if not one.endswith("__main__")]


def names_offered(module: ModuleType) -> list[str]:
    return list(getattr(module, "__all__", []))


def undocumented(module: ModuleType) -> list[str]:
    offered = {name: getattr(module, name) for name in names_offered(module)}
    return [name for name, one in offered.items() if callable(one) and not inspect.getdoc(one)]


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_exist_sorted_and_documented(room: str) -> None:
    for module in modules_of(room):
        names = names_offered(module)
        assert names == sorted(set(names)), module.__name__
        assert undocumented(module) == [], module.__name__


@pytest.mark.parametrize("room", ROOMS)
def test_package_exports_all_its_public_names(room: str) -> None:
    for module in [one for one in modules_of(room) if hasattr(one, "__path__")]:
        defined = {
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and name != "TYPE_CHECKING"
            and not isinstance(value, ModuleType)
        }
        assert defined <= set(names_offered(module)), module.__name__


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_has_a_one_sentence_docstring(room: str) -> None:
    for module in modules_of(room):
        first = (inspect.getdoc(module) or "").partition("\n")[0]
        assert first[:1].isupper() or not first[:1].isalpha() or first.split()[0].islower()
        assert len(first) > 10, module.__name__


@pytest.mark.parametrize("room", ["attractor", "attractor.language", "attractor.llm"])
def test_dir_lists_every_public_name(room: str) -> None:
    module = importlib.import_module(room)
    assert set(names_offered(module)) <= set(dir(module))


def test_package_has_a_version() -> None:
    assert attractor.__version__.count(".") == 2
    assert "__version__" in attractor.__all__
