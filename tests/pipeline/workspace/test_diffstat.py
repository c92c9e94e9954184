"""The changes of a run for people: large new folders."""

from attractor.pipeline.workspace.diffstat import LARGE_FILES, LARGE_SIZE, Diffstat
from attractor.workspaces.git.object_store import ChangedFile


def below(folder: str, count: int, size: int = 0) -> list[ChangedFile]:
    """Return new files below a new folder; the size is the size of the last file."""
    sizes = [0] * (count - 1) + [size]
    return [
        ChangedFile(f"{folder}/{number}", 0, 0, is_new=True, new_folder=folder, size=bytes_)
        for number, bytes_ in enumerate(sizes)
    ]


def test_new_folders_with_many_files_or_bytes_are_named() -> None:
    old = [ChangedFile(f"old/{number}", 1, 0, is_new=True) for number in range(LARGE_FILES + 1)]
    small = [*below("few", LARGE_FILES, LARGE_SIZE), *old]
    assert Diffstat(small).warnings == []
    large = [*below("bin", LARGE_FILES + 1), *below("a/out", 1, LARGE_SIZE + 1)]
    [warning] = Diffstat([*small, *large]).warnings
    assert warning == (
        "large new folders, no result if a build wrote them: "
        "bin/ (51 files, 0 bytes), a/out/ (1 file, 5.0 MiB)"
    )
