import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from attractor.base.entry_points import EntryPoint, find_damaged, find_entry_points
from tests.packages import Places

ENTRY = "[attractor.tools]\nhammer = shed.hammer\n[console_scripts]\nshed = shed:main\n"
HAMMER = EntryPoint("attractor.tools", "hammer", "shed.hammer", "shed")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path.parent / f"{tmp_path.name}-cache"


def find(places: Places, cache: Path, group: str = "attractor.tools") -> list[EntryPoint]:
    return find_entry_points(group, path=[str(places.folder)], cache=str(cache))


def faults(places: Places, cache: Path) -> dict[str, str]:
    damaged = find_damaged(path=[str(places.folder)], cache=str(cache))
    return {Path(one.place).name: one.fault for one in damaged}


def test_entry_points_of_a_group_are_found_after_install_and_remove(
    places: Places, cache: Path
) -> None:
    (places.folder / "gone-1.0.dist-info").symlink_to(places.folder / "nothing")
    assert find(places, cache) == []
    folder = places.distribution("shed", ENTRY)
    assert find(places, cache) == [HAMMER]
    assert find(places, cache, "attractor.other") == []
    assert find(places, cache, "console_scripts") == []
    shutil.rmtree(folder)
    assert find(places, cache) == []


def test_valid_cache_is_used_and_corrupt_cache_is_replaced(places: Places, cache: Path) -> None:
    places.distribution("shed", ENTRY)
    find(places, cache)
    [file] = cache.glob("*.entry-points")
    (places.folder / "another.txt").touch()
    good = file.read_text()
    file.write_text(good.replace("hammer\t", "from the cache\t"))
    assert [one.name for one in find(places, cache)] == ["from the cache"]
    for corrupt in ["", "\n\n", good[:-20], good + "\nmore", good.replace("\t", " "), "\0" + good]:
        file.write_text(corrupt)
        assert find(places, cache) == [HAMMER]


def test_valid_cache_avoids_import_of_importlib_metadata() -> None:
    code = (
        "import sys; from attractor.base.entry_points import find_entry_points as f;"
        "f('attractor.x'); sys.modules.pop('importlib.metadata', None); f('attractor.x');"
        "sys.exit('importlib.metadata' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0


def test_unwritable_cache_is_ignored(places: Places, tmp_path: Path) -> None:
    places.distribution("shed", ENTRY)
    (tmp_path / "file").touch()
    assert find(places, tmp_path / "file") == [HAMMER]


def test_first_distribution_of_a_name_wins_and_missing_folders_are_empty(tmp_path: Path) -> None:
    for folder, value in [("near", "shed.near"), ("far", "shed.far")]:
        (tmp_path / folder).mkdir()
        text = f"[attractor.tools]\nhammer = {value}\n"
        Places(tmp_path / folder).distribution("shed", text)
    (tmp_path / "file").touch()
    path = [str(tmp_path / name) for name in ("file/below", "missing", "near", "far")]
    found = find_entry_points("attractor.tools", path=path, cache=str(tmp_path / "cache"))
    assert [one.value for one in found] == ["shed.near"]


@pytest.mark.parametrize(
    ("file", "content", "fault"),
    [
        ("METADATA", b"", "METADATA: ValueError: missing"),
        ("METADATA", b"\xff\xfe", "METADATA: UnicodeDecodeError: "),
        ("METADATA", b"Version: 1.0\n", "METADATA: ValueError: missing"),
        ("entry_points.txt", b"\xff", "entry_points.txt: UnicodeDecodeError: "),
        (
            "entry_points.txt",
            b"[attractor.tools]\nhammer\n",
            "entry_points.txt: ValueError: a line is not NAME = VALUE",
        ),
    ],
)
def test_damaged_distribution_is_skipped_and_reported_until_fixed(
    places: Places, cache: Path, file: str, content: bytes, fault: str
) -> None:
    places.distribution("shed", ENTRY)
    damaged = places.distribution("barn", ENTRY) / file
    good = damaged.read_bytes()
    damaged.write_bytes(content)
    assert find(places, cache) == [HAMMER]
    [(place, message)] = faults(places, cache).items()
    assert place == "barn-1.0.dist-info"
    assert message.startswith(fault)
    # Fixing a file changes no folder, so only the scan of `find_damaged` renews the cache.
    damaged.write_bytes(good)
    assert not faults(places, cache)
    assert len(find(places, cache)) == 2


def test_distribution_without_readable_files_is_damaged(places: Places, cache: Path) -> None:
    folder = places.distribution("shed", "")
    assert not faults(places, cache)
    (folder / "entry_points.txt").unlink()
    assert not faults(places, cache)
    (folder / "entry_points.txt").mkdir()
    assert "IsADirectoryError" in faults(places, cache)["shed-1.0.dist-info"]
    shutil.rmtree(folder)
    folder.mkdir()
    (places.folder / "gone-1.0.dist-info").symlink_to(places.folder / "nothing")
    assert set(faults(places, cache)) == {"shed-1.0.dist-info", "gone-1.0.dist-info"}
