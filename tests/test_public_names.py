"""Public names of each package exist and are documented."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import attractor
from docs.public_names import PUBLIC, names_of, public_names
from tests.examples import ROOT, fences

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


_IMPORT = re.compile(r"^ *from (attractor[\w.]*) import (?:\(([^)]*)\)|(.*))", re.MULTILINE)


def imports_of_users() -> Iterator[tuple[str, str, str]]:
    """Yield the place, module and name of each import in the documentation and in scripts."""
    pages = [one for one in fences("python") if one.page.name != "CONTRIBUTING.md"]
    texts = [(one.name, one.text) for one in pages]
    scripts = [*ROOT.glob("examples/twins/**/*.py"), *ROOT.glob("pipelines/**/*.py")]
    texts += [(str(one.relative_to(ROOT)), one.read_text()) for one in scripts]
    for place, text in texts:
        for module, several, few in _IMPORT.findall(text):
            for name in re.findall(r"\w+", several or few.partition("#")[0].partition(" as ")[0]):
                yield place, module, name


def test_page_of_public_names_lists_each_with_its_import_path() -> None:
    page = Path(ROOT / "docs/reference/python.md").read_text("utf-8")
    assert public_names() in page, "type: make docs"
    for module in PUBLIC:
        names = names_of(module)
        assert names, module
        for name in names:
            assert f"| `{name}` | |" not in page, f"{module}.{name} has no meaning"


def test_documentation_and_examples_import_public_names_only() -> None:
    private = [
        f"{place}: {module}.{name}"
        for place, module, name in imports_of_users()
        if module not in PUBLIC or name not in names_of(module)
    ]
    assert private == [], "use a name of docs/reference/python.md, or make it public there"
