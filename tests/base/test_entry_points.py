import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from attractor.base.entry_points import EntryPoint, find_damaged, find_entry_points
from tests.packages import Places

ENTRY = "[attractor.tools]\nhammer = shed.hammer\n[console_scripts]\nshed = shed:main\n"
HAMMER = EntryPoint("attractor.tools", "hammer", "shed.hammer", "shed")


def find(places: Places, cache: Path, group: str = "attractor.tools") -> list[EntryPoint]:
    return find_entry_points(group, path=[str(places.folder)], cache=str(cache))


def test_only_the_asked_group_is_returned(places: Places, tmp_path: Path) -> None:
    places.distribution("shed", ENTRY)
    assert find(places, tmp_path / "cache") == [HAMMER]
    assert find(places, tmp_path / "cache", "attractor.other") == []
    assert find(places, tmp_path / "cache", "console_scripts") == []


def test_installing_and_removing_is_seen_at_once(places: Places, tmp_path: Path) -> None:
    cache = tmp_path.parent / f"{tmp_path.name}-cache"
    assert find(places, cache) == []
    place = places.distribution("shed", ENTRY)
    assert find(places, cache) == [HAMMER]
    shutil.rmtree(place)
    assert find(places, cache) == []


def test_the_scan_is_made_once(places: Places, tmp_path: Path) -> None:
    cache = tmp_path.parent / f"{tmp_path.name}-cache"
    places.distribution("shed", ENTRY)
    find(places, cache)
    [file] = cache.glob("*.entry-points")
    file.write_text(file.read_text().replace("hammer\t", "from the cache\t"))
    assert [one.name for one in find(places, cache)] == ["from the cache"]


def test_the_scan_is_not_even_imported_when_the_cache_is_good() -> None:
    code = (
        "import sys; from attractor.base.entry_points import find_entry_points as f;"
        "f('attractor.x'); sys.modules.pop('importlib.metadata', None); f('attractor.x');"
        "sys.exit('importlib.metadata' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0


def test_a_damaged_cache_is_scanned_anew(places: Places, tmp_path: Path) -> None:
    cache = tmp_path.parent / f"{tmp_path.name}-cache"
    places.distribution("shed", ENTRY)
    find(places, cache)
    [file] = cache.glob("*.entry-points")
    good = file.read_text()
    for damage in ["", "\n\n", good[:-20], good + "\nmore", good.replace("\t", " "), "\0" + good]:
        file.write_text(damage)
        assert find(places, cache) == [HAMMER]


def test_a_cache_that_can_not_be_written_costs_only_time(places: Places, tmp_path: Path) -> None:
    places.distribution("shed", ENTRY)
    in_the_way = tmp_path / "in-the-way"
    in_the_way.write_text("a file where the folder should be")
    assert find(places, in_the_way) == [HAMMER]


def test_old_environments_are_forgotten(places: Places, tmp_path: Path) -> None:
    cache = tmp_path.parent / f"{tmp_path.name}-cache"
    cache.mkdir()
    for number in range(40):
        old = cache / f"attractor.{number}.entry-points"
        old.write_text("{}")
        os.utime(old, (number, number))
    find(places, cache)
    left = {file.name for file in cache.iterdir()}
    assert len(left) == 16
    assert "attractor.39.entry-points" in left
    assert "attractor.0.entry-points" not in left


def test_the_first_of_two_distributions_of_one_name_counts(tmp_path: Path) -> None:
    for folder, value in [("near", "shed.near"), ("far", "shed.far")]:
        (tmp_path / folder).mkdir()
        text = f"[attractor.tools]\nhammer = {value}\n"
        Places(tmp_path / folder).distribution("shed", text)
    path = [str(tmp_path / "near"), str(tmp_path / "far")]
    found = find_entry_points("attractor.tools", path=path, cache=str(tmp_path / "cache"))
    assert [one.value for one in found] == ["shed.near"]


def test_other_files_beside_what_is_installed_do_not_matter(places: Places, tmp_path: Path) -> None:
    cache = tmp_path.parent / f"{tmp_path.name}-cache"
    places.distribution("shed", ENTRY)
    find(places, cache)
    [file] = cache.glob("*.entry-points")
    before = file.stat().st_mtime_ns
    (places.folder / "another.txt").touch()
    assert find(places, cache) == [HAMMER]
    assert file.stat().st_mtime_ns == before


def damage(places: Places, cache: Path) -> dict[str, str]:
    found = find_damaged(path=[str(places.folder)], cache=str(cache))
    return {Path(one.place).name: one.trouble for one in found}


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("METADATA", b"", "its name: ValueError: its METADATA is missing"),
        ("METADATA", b"\xff\xfe", "its name: UnicodeDecodeError: "),
        ("METADATA", b"Version: 1.0\n", "its name: ValueError: its METADATA is missing"),
        ("entry_points.txt", b"\xff", "entry_points.txt: UnicodeDecodeError: "),
        (
            "entry_points.txt",
            b"[attractor.tools]\nhammer\n",
            "entry_points.txt: ValueError: a line of it is not NAME = VALUE",
        ),
    ],
)
def test_a_damaged_distribution_is_passed_over_and_told_with_its_place(
    places: Places, tmp_path: Path, file: str, content: bytes, told: str
) -> None:
    cache = tmp_path.parent / f"{tmp_path.name}-cache"
    places.distribution("shed", ENTRY)
    (places.distribution("barn", ENTRY) / file).write_bytes(content)
    assert find(places, cache) == [HAMMER]
    [(place, trouble)] = damage(places, cache).items()
    assert place == "barn-1.0.dist-info"
    assert trouble.startswith(told)


def test_a_distribution_without_its_files_is_damaged(places: Places, tmp_path: Path) -> None:
    shutil.rmtree(places.distribution("shed", ENTRY))
    (tmp_path / "shed-1.0.dist-info").mkdir()
    (tmp_path / "gone-1.0.dist-info").symlink_to(tmp_path / "nothing")
    assert set(damage(places, tmp_path / "cache")) == {"shed-1.0.dist-info", "gone-1.0.dist-info"}


def test_entry_points_that_python_takes_for_missing_are_told(
    places: Places, tmp_path: Path
) -> None:
    place = places.distribution("shed", "") / "entry_points.txt"
    assert not damage(places, tmp_path / "cache")
    place.unlink()
    assert not damage(places, tmp_path / "cache")
    place.mkdir()
    assert "IsADirectoryError" in damage(places, tmp_path / "cache")["shed-1.0.dist-info"]


def test_looking_for_damage_sees_what_was_mended_in_place(places: Places, tmp_path: Path) -> None:
    cache = tmp_path.parent / f"{tmp_path.name}-cache"
    file = places.distribution("shed", ENTRY) / "entry_points.txt"
    file.write_bytes(b"\xff")
    assert find(places, cache) == []
    file.write_text(ENTRY)
    assert not damage(places, cache)
    assert find(places, cache) == [HAMMER]


def test_a_link_to_nothing_does_not_hide_what_is_installed_later(
    places: Places, tmp_path: Path
) -> None:
    cache = tmp_path.parent / f"{tmp_path.name}-cache"
    (tmp_path / "gone-1.0.dist-info").symlink_to(tmp_path / "nothing")
    assert find(places, cache) == []
    places.distribution("shed", ENTRY)
    assert find(places, cache) == [HAMMER]


def test_a_place_on_the_path_that_can_not_be_there_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = [str(tmp_path / "file" / "below"), str(tmp_path / "missing")]
    assert find_entry_points("attractor.x", path=path, cache=str(tmp_path / "cache")) == []
