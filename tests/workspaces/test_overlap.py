"""Files that two works changed, and lines that would conflict."""

import asyncio
from pathlib import Path

from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.objects import FILE, TreeEntry, write_tree
from attractor.workspaces.overlap import Overlap, Work, find_overlaps

LINES = "".join(f"{number}\n" for number in range(20))


def work(folder: Path, name: str, base: dict[str, str], now: dict[str, str]) -> Work:
    """Return a work in a store of its own."""
    store = ObjectStore(folder / name, object_format="sha1", search_path="/usr/bin:/bin")
    asyncio.run(store.create())
    trees: list[str] = []
    for files in (base, {**base, **now}):
        entries = {
            path.encode(): TreeEntry(FILE, store.objects.write("blob", text.encode()))
            for path, text in files.items()
            if text
        }
        trees.append(write_tree(store.objects, entries).hex())
    store.objects.sync()
    return Work(name, store, *trees)


def test_overlaps_are_files_that_two_changed_and_lines_that_conflict(tmp_path: Path) -> None:
    base = {"list": LINES, "word": "old\n", "same": "old\n", "gone": "old\n", "alone": "old\n"}
    first = work(
        tmp_path,
        "first",
        base,
        {"list": f"top\n{LINES}", "word": "a\n", "same": "new\n", "gone": "", "alone": "a\n"},
    )
    changed = {"list": f"{LINES}end\n", "word": "b\n", "same": "new\n", "gone": "new\n"}
    second = work(tmp_path, "second", {**base, "alone": "moved\n"}, changed)
    third = work(tmp_path, "third", base, {"new/file": "new\n"})
    assert asyncio.run(find_overlaps([first, second, third])) == {
        "first": [Overlap("second", ["gone", "list", "word"], ["gone", "word"])],
        "second": [Overlap("first", ["gone", "list", "word"], ["gone", "word"])],
    }
    assert str(Overlap("first", ["list", "word"], ["word"])) == "first: 2 files, 1 would conflict"
