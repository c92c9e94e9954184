"""Says which paths the `.gitignore` files of a tree leave out, as git does (gitignore(5))."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from re import Pattern

from attractor.base.dataclasses import dataclass
from attractor.workspaces.wildmatch import compile_wildmatch


@dataclass(frozen=True)
class _Line:
    """One pattern of an ignore file."""

    pattern: Pattern[bytes]
    brings_back: bool
    folders_only: bool
    names_only: bool

    def matches(self, path: bytes, name: bytes, is_folder: bool) -> bool:
        if self.folders_only and not is_folder:
            return False
        return self.pattern.fullmatch(name if self.names_only else path) is not None


class IgnoreRules:
    """The ignore rules of one tree: what each `.gitignore` says, by the folder it lies in."""

    def __init__(self, files: Mapping[bytes, bytes], more: Sequence[str] = ()) -> None:
        """Take the files by folder: nothing for the top, else a path with a slash at its end.

        More patterns count as the last lines of the file at the top.
        """
        self._lines = {folder: tuple(reversed([*_read(text)])) for folder, text in files.items()}
        last = reversed([*_read("\n".join(more).encode())])
        self._lines[b""] = (*last, *self._lines.get(b"", ()))

    def ignores(self, path: bytes, *, is_folder: bool) -> bool:
        """Say whether a path is left out, given that none of its folders is."""
        name = path.rpartition(b"/")[2]
        # Where only the top says something, as it often does, no other folder is asked.
        for folder in _folders_of(path) if len(self._lines) > 1 else (b"",):
            for line in self._lines.get(folder, ()):
                if line.matches(path[len(folder) :], name, is_folder):
                    return not line.brings_back
        return False

    def hides(self, path: bytes) -> bool:
        """Say whether a file is left out, by itself or with a folder above it."""
        above = (path[:end] for end, letter in enumerate(path) if letter == ord("/"))
        return any(self.ignores(folder, is_folder=True) for folder in above) or self.ignores(
            path, is_folder=False
        )

    def hidden(self, paths: Iterable[bytes]) -> Set[bytes]:
        """Return those of many files that are left out."""
        folders = {b"": False}
        found: set[bytes] = set()
        for path in paths:
            folder = path.rpartition(b"/")[0]
            if folder not in folders:
                self._learn(folder, folders)
            if folders[folder] or self.ignores(path, is_folder=False):
                found.add(path)
        return found

    def _learn(self, folder: bytes, folders: dict[bytes, bool]) -> None:
        """Find out whether a folder is left out, given what is known of those above it."""
        unknown: list[bytes] = []
        while folder not in folders:
            unknown.append(folder)
            folder = folder.rpartition(b"/")[0]
        for below in reversed(unknown):
            above = below.rpartition(b"/")[0]
            folders[below] = folders[above] or self.ignores(below, is_folder=True)


def _folders_of(path: bytes) -> Iterator[bytes]:
    """Yield the folders above a path, the nearest first, the top as nothing."""
    end = path.rfind(b"/")
    while end >= 0:
        yield path[: end + 1]
        end = path.rfind(b"/", 0, end)
    yield b""


def _read(text: bytes) -> Iterator[_Line]:
    for line in text.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        # git reads each line as text that ends at a zero byte.
        pattern = _without_trailing_blanks(line.removesuffix(b"\r").partition(b"\0")[0])
        if pattern and not line.startswith(b"#"):
            yield _parse(pattern)


def _without_trailing_blanks(line: bytes) -> bytes:
    stripped = line.rstrip(b" ")
    backslashes = len(stripped) - len(stripped.rstrip(b"\\"))
    return line[: len(stripped) + 1] if backslashes % 2 else stripped


def _parse(pattern: bytes) -> _Line:
    brings_back = pattern.startswith(b"!")
    rest = pattern[1:] if brings_back else pattern
    folders_only = rest.endswith(b"/")
    rest = rest.removesuffix(b"/")
    names_only = b"/" not in rest
    return _Line(compile_wildmatch(rest.removeprefix(b"/")), brings_back, folders_only, names_only)
