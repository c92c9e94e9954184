import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import ExitCode, InvalidPart, UnknownName
from attractor.base.registry import Registry, count_parameters, find_shortcoming
from tests.packages import Places
from tests.tables import table

ROSE = '''"""A flower with thorns."""
class Rose:
    petals = 5
    def smell(self) -> str:
        return "sweet"
part = Rose()
'''
CLASS_ROSE = ROSE.replace("part = Rose()", "part = Rose")
EXAMINATIONS = "attractor.cli.doctor_checks"
BUILT_IN = [*Registry(EXAMINATIONS, object, noun="examination")]


class Flower(Protocol):
    petals: int

    def smell(self) -> str: ...


class Base:
    pass


def flowers(package: str) -> Registry[Flower]:
    return Registry(package, Flower, noun="flower")


def test_folder_is_listed_without_imports_and_part_imported_on_first_use(places: Places) -> None:
    package = places.package(rose=ROSE, boom='"""Breaks."""\nraise SystemExit\npart = 1')
    registry = flowers(package)
    assert list(registry) == ["boom", "rose"]
    assert len(registry) == 2
    assert registry.summary("rose") == "A flower with thorns"
    assert "tulip" not in registry
    assert not [name for name in sys.modules if name.startswith(f"{package}.")]
    assert registry["rose"].smell() == "sweet"
    assert f"{package}.rose" in sys.modules


def test_each_file_with_a_part_adds_a_part_under_its_name(places: Places) -> None:
    package = places.package(
        rose=ROSE,
        errors="class FlowerError(Exception): pass",
        seam="def f():\n    part = 1",
        comparison="part == 1",
        typed="part: int = 1",
        wait__human=ROSE,
        for_each=ROSE,
    )
    assert list(flowers(package)) == ["for_each", "rose", "typed", "wait.human"]
    places.add(package, tulip=ROSE)
    assert flowers(package)["tulip"].petals == 5
    (places.folder / package / "tulip.py").unlink()
    assert "tulip" not in flowers(package)


def test_unknown_name_is_refused_with_a_suggestion(places: Places) -> None:
    registry = flowers(places.package(rose=ROSE, tulip=ROSE))
    with pytest.raises(UnknownName, match="unknown flower 'tulp'") as caught:
        registry["tulp"]
    assert caught.value.hint == "did you mean tulip?"
    assert caught.value.exit_code is ExitCode.USAGE
    with pytest.raises(UnknownName) as caught:
        registry["zzzzzz"]
    assert caught.value.hint == "known: rose, tulip"
    assert registry.get("tulp") is None


BASE = f"from {__name__} import Base\n"


@pytest.mark.parametrize(
    ("kind", "text", "fault"),
    [
        (Flower, ROSE, ""),
        (Flower, "class S:\n    petals = 0\npart = S()", "S object has no smell, which a Flower"),
        (Flower, "class S:\n    petals = smell = 0\npart = S()", "has no smell"),
        (type[Flower], CLASS_ROSE, ""),
        (type[Flower], ROSE, "Rose object is not a class"),
        (type[Flower], "class Stone: pass\npart = Stone", "Stone has no smell"),
        (Base, BASE + "part = Base()", ""),
        (Base, "part = 1", "int object is not a Base"),
        (type[Base], BASE + "class Child(Base): pass\npart = Child", ""),
        (type[Base], "part = int", "class int is not a Base"),
    ],
)
def test_part_is_checked_against_the_kind(
    places: Places, kind: type[object], text: str, fault: str
) -> None:
    registry = Registry(places.package(thing=text), kind, noun="thing")
    if not fault:
        assert registry["thing"] is registry["thing"]
        return
    with pytest.raises(InvalidPart, match=f"thing 'thing' cannot be used: .*{fault}"):
        registry["thing"]


def test_failed_import_of_a_part_keeps_its_cause(places: Places) -> None:
    registry = flowers(places.package(rose="import no_such_module_at_all\npart = 1"))
    with pytest.raises(InvalidPart, match="'rose' cannot be loaded: ModuleNotFoundError") as caught:
        registry["rose"]
    assert isinstance(caught.value.cause, ModuleNotFoundError)
    assert caught.value.hint.startswith("install Attractor again")


def test_other_distribution_adds_parts_until_it_is_removed(places: Places) -> None:
    garden = places.package(orchid=ROSE)
    entry = f"[{EXAMINATIONS}]\norchid = {garden}.orchid\nrose.bush = {garden}.orchid:Rose\n"
    before = list(flowers(EXAMINATIONS))
    folder = places.distribution("garden", entry)
    registry = flowers(EXAMINATIONS)
    assert set(registry) - set(before) == {"orchid", "rose.bush"}
    assert registry.summary("orchid") == "From the distribution garden"
    assert registry["orchid"].smell() == "sweet"
    assert registry["rose.bush"].petals == 5
    shutil.rmtree(folder)
    assert list(flowers(EXAMINATIONS)) == before


def test_first_distribution_of_a_name_wins_and_missing_folders_are_empty(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, value in [("near", "shed.near"), ("far", "shed.far")]:
        (places.folder / folder).mkdir()
        Places(places.folder / folder).distribution("shed", f"[{EXAMINATIONS}]\nhammer = {value}\n")
    (places.folder / "file").touch()
    new = [str(places.folder / name) for name in ("file/below", "missing", "near", "far")]
    monkeypatch.setattr(sys, "path", [*new, *sys.path])
    with pytest.raises(InvalidPart, match="No module named 'shed'") as caught:
        flowers(EXAMINATIONS)["hammer"]
    assert "duplicate" not in str(caught.value)


def test_registry_is_listed_without_the_slow_reader_of_distributions() -> None:
    code = (
        "import sys; from attractor.base.registry import Registry;"
        f"len(Registry({EXAMINATIONS!r}, object, noun='x'));"
        "sys.exit('importlib.metadata' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("METADATA", b""),
        ("METADATA", b"\xff\xfe"),
        ("METADATA", b"Version: 1.0\n"),
        ("entry_points.txt", b"[attractor.tools]\n\xff"),
        ("entry_points.txt", f"[{EXAMINATIONS}]\nhammer\n".encode()),
        ("entry_points.txt", None),
    ],
)
def test_damaged_distribution_is_skipped(places: Places, file: str, content: bytes | None) -> None:
    damaged = places.distribution("barn", f"[{EXAMINATIONS}]\nrake = barn\n") / file
    damaged.unlink()
    damaged.mkdir() if content is None else damaged.write_bytes(content)
    (places.folder / "gone-1.0.dist-info").symlink_to(places.folder / "nothing")
    assert "rake" not in flowers(EXAMINATIONS)


PLACES = (
    "{}-1.dist-info",
    "{}-2.DIST-INFO",
    "{}.egg-info",
    "{}.egg/EGG-INFO",
    "{}.zip/{}.dist-info",
)
ENTRIES = (
    f"[{EXAMINATIONS}]\nrake = a.b\n",
    f"[{EXAMINATIONS}]\nhoe\n",
    "[other]\naxe = a.b\n",
    "\xff",
)
METADATA = ("Name: barn\n", "Name: shed\n", "Version: 1\n", "\xff")


@given(
    st.lists(st.tuples(*map(st.sampled_from, (("a", "b"), PLACES, ENTRIES, METADATA))), max_size=4)
)
def test_parts_are_those_of_the_distributions_that_python_finds(
    made: Sequence[tuple[str, str, str, str]],
) -> None:
    with TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        path = {root: None}
        for number, (folder, place, entries, metadata) in enumerate(made):
            files = Path(root, folder, place.format(number, number))
            files.mkdir(parents=True)
            (files / "entry_points.txt").write_text(entries, "latin-1")
            (files / "METADATA").write_text(metadata, "latin-1")
            path |= dict.fromkeys(map(str, [files.parents[1], files.parent]))
        for archive in Path(root).glob("*/*.zip"):
            shutil.make_archive(str(archive.with_suffix("")) + "-packed", "zip", archive)
            path[f"{archive.with_suffix('')}-packed.zip"] = None
            shutil.rmtree(archive)
        patch.setattr(sys, "path", [*path])
        assert set(flowers(EXAMINATIONS)) - {*BUILT_IN} == {*_offered_to(path)}


def _offered_to(path: Iterable[str]) -> Iterator[str]:
    """Return the names of the parts of the first readable distribution of each name."""
    known: set[str] = set()
    for one in distributions(path=[*path]):
        with suppress(Exception):
            points = [point.name for point in one.entry_points if point.group == EXAMINATIONS]
            name = one.metadata["Name"]
            if name and name not in known:
                known.add(name)
                yield from points


def test_part_offered_twice_is_refused_with_both_owners(places: Places) -> None:
    places.distribution("garden", f"[{EXAMINATIONS}]\ngit = anything\n")
    registry = flowers(EXAMINATIONS)
    assert registry.summary("git") == "is a duplicate, offered by attractor and garden"
    with pytest.raises(
        InvalidPart, match="is a duplicate, offered by attractor and garden"
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


class Sized(Protocol):
    size: int

    def grow(self) -> None: ...


class Tree:
    def __init__(self) -> None:
        self.size = 1

    def grow(self) -> None:
        self.size += 1


def test_shortcoming_names_missing_members_of_a_protocol_and_its_bases() -> None:
    assert find_shortcoming(Good(), Caller) == ""
    assert find_shortcoming(len, Caller).endswith("has no name, which a Caller needs")
    # A class does not have the attributes of its instances.
    assert find_shortcoming(Tree, type[Sized]) == ""
    assert find_shortcoming(Good, type[Sized]) == "Good has no grow, which a Sized needs"


class Method:
    def plain(self, one: int, two: int) -> None: ...

    def __call__(self, one: int) -> None: ...


def positional(one: int, /, two: int) -> None: ...


def optional(one: int, two: int = 2, *more: int, three: int = 3, **rest: int) -> None: ...


@table(
    ("function", "number"),
    [(Method().plain, 2), (Method(), 1), (positional, 2), (optional, 1), (lambda: None, 0)],
)
def test_required_positional_parameters_are_counted(
    function: Callable[..., object], number: int
) -> None:
    assert count_parameters(function) == number
