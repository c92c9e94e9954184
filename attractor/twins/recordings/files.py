"""Files of recordings: one line or one file per exchange, each complete or absent."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from attractor.base.errors import FileError
from attractor.base.files import file_error, write_fully, write_whole
from attractor.twins.errors import RecordingError
from attractor.twins.recordings.recording import Recording, parse_recording

_LINES, _ONE = ".jsonl", ".json"


_BEGINNING = b'{"version": '


class RecordingFile:
    """Takes recordings as they come; each is there whole or not at all."""

    def __init__(self, path: Path) -> None:
        """Look at what is there already, so that trouble shows before anything is asked."""
        self.path = path
        self._is_folder = path.is_dir() or not path.suffix
        if not self._is_folder and path.suffix == _ONE:
            hint = f"name a file that ends in {_LINES}, or a folder"
            raise RecordingError(f"{path} would hold one exchange alone", hint=hint)
        try:
            (path if self._is_folder else path.parent).mkdir(parents=True, exist_ok=True)
            if not self._is_folder and path.exists():
                _read(path, path.name)
                mend_lines(path, _is_torn)
        except OSError as cause:
            raise file_error("write", path, cause) from cause

    def add(self, recording: Recording) -> None:
        """Keep a recording behind the others."""
        if self._is_folder:
            write_whole(self._next(recording.wire), f"{recording.written(indent=1)}\n", sync=False)
            return
        add_line(self.path, recording.written())

    def _next(self, wire: str) -> Path:
        numbers = [one.name.partition("-")[0] for one in self.path.glob(f"*{_ONE}")]
        last = max((int(one) for one in numbers if one.isdecimal()), default=0)
        return self.path / f"{last + 1:04}-{wire}{_ONE}"


def load_recordings(path: Path) -> Mapping[str, Recording]:
    """Read recordings in their order, by a name that tells where each stands."""
    if not path.is_dir():
        found = _read(path, path.name)
    else:
        files = sorted(one for one in path.iterdir() if one.suffix in (_LINES, _ONE))
        found = {name: one for file in files for name, one in _read(file, file.name).items()}
    if not found:
        raise RecordingError(f"there is no recording in {path}")
    return found


def _read(path: Path, name: str) -> Mapping[str, Recording]:
    try:
        content = path.read_bytes()
    except OSError as cause:
        raise FileError(f"the recordings {path} cannot be read: {cause}") from cause
    if path.suffix == _ONE:
        return {name: parse_recording(content, place=str(path))}
    return {
        f"{name}:{number}": parse_recording(line, place=f"{path}:{number}")
        for number, line in enumerate(whole_lines(content, _is_torn), 1)
        if line.strip()
    }


def _is_torn(line: bytes) -> bool:
    """Tell whether a line is the beginning of a recording, and of nothing else."""
    if not _BEGINNING.startswith(line[: len(_BEGINNING)]):
        return False
    try:
        parse_recording(line, place="the last line")
    except RecordingError:
        return True
    return False


IsTorn = Callable[[bytes], bool]


def add_line(path: Path, line: str) -> None:
    """Write a line behind the others."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            write_fully(file, f"{line}\n".encode())
        finally:
            os.close(file)
    except OSError as cause:
        raise file_error("write", path, cause) from cause


def mend_lines(path: Path, is_torn: IsTorn) -> None:
    """Make an end for the last line, or take away what a death left of it."""
    content = path.read_bytes()
    last = content.rpartition(b"\n")[2]
    if last and is_torn(last):
        os.truncate(path, len(content) - len(last))
    elif last:
        with path.open("ab") as file:
            file.write(b"\n")


def whole_lines(content: bytes, is_torn: IsTorn) -> list[bytes]:
    """Return the lines of a file; the last one has no end if its writer died there."""
    *lines, last = content.split(b"\n")
    return lines if is_torn(last) else [*lines, last]
