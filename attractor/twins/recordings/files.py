"""Files of recordings: one line or one file per exchange, each complete or absent."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from attractor.base.errors import FileError
from attractor.base.files import file_error, write_fully, write_whole
from attractor.twins.errors import RecordingError
from attractor.twins.recordings.recording import Recording, parse_recording

_LINES, _SINGLE = ".jsonl", ".json"


_PREFIX = b'{"version": '


class RecordingFile:
    """A file or folder to which recordings are added; each is complete or absent."""

    def __init__(self, path: Path) -> None:
        """Check the existing file, so that an error is raised before the first request."""
        self.path = path
        self._is_folder = path.is_dir() or not path.suffix
        if not self._is_folder and path.suffix == _SINGLE:
            hint = f"name a file that ends in {_LINES}, or a folder"
            raise RecordingError(f"{path} can contain only one exchange", hint=hint)
        try:
            (path if self._is_folder else path.parent).mkdir(parents=True, exist_ok=True)
            if not self._is_folder and path.exists():
                _read(path, path.name)
                repair_last_line(path, _is_incomplete)
        except OSError as cause:
            raise file_error("write", path, cause) from cause

    def add(self, recording: Recording) -> None:
        """Append a recording."""
        if self._is_folder:
            write_whole(self._next(recording.wire), f"{recording.to_json(indent=1)}\n", sync=False)
            return
        append_line(self.path, recording.to_json())

    def _next(self, wire: str) -> Path:
        numbers = [file.name.partition("-")[0] for file in self.path.glob(f"*{_SINGLE}")]
        last = max((int(number) for number in numbers if number.isdecimal()), default=0)
        return self.path / f"{last + 1:04}-{wire}{_SINGLE}"


def load_recordings(path: Path) -> Mapping[str, Recording]:
    """Read recordings in their order, by name of file and line."""
    if not path.is_dir():
        recordings = _read(path, path.name)
    else:
        files = sorted(file for file in path.iterdir() if file.suffix in (_LINES, _SINGLE))
        recordings = {
            name: recording for file in files for name, recording in _read(file, file.name).items()
        }
    if not recordings:
        raise RecordingError(f"no recordings in {path}")
    return recordings


def _read(path: Path, name: str) -> Mapping[str, Recording]:
    try:
        content = path.read_bytes()
    except OSError as cause:
        raise FileError(f"cannot read the recordings {path}: {cause}") from cause
    if path.suffix == _SINGLE:
        return {name: parse_recording(content, place=str(path))}
    return {
        f"{name}:{number}": parse_recording(line, place=f"{path}:{number}")
        for number, line in enumerate(complete_lines(content, _is_incomplete), 1)
        if line.strip()
    }


def _is_incomplete(line: bytes) -> bool:
    """Return whether a line is the incomplete beginning of a recording."""
    if not _PREFIX.startswith(line[: len(_PREFIX)]):
        return False
    try:
        parse_recording(line, place="the last line")
    except RecordingError:
        return True
    return False


IsIncomplete = Callable[[bytes], bool]


def append_line(path: Path, line: str) -> None:
    """Append a line."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            write_fully(file, f"{line}\n".encode())
        finally:
            os.close(file)
    except OSError as cause:
        raise file_error("write", path, cause) from cause


def repair_last_line(path: Path, is_incomplete: IsIncomplete) -> None:
    """End the last line, or remove it if its writer was killed in the middle."""
    content = path.read_bytes()
    last = content.rpartition(b"\n")[2]
    if last and is_incomplete(last):
        os.truncate(path, len(content) - len(last))
    elif last:
        with path.open("ab") as file:
            file.write(b"\n")


def complete_lines(content: bytes, is_incomplete: IsIncomplete) -> list[bytes]:
    """Return the lines of a file, without an incomplete last one."""
    *lines, last = content.split(b"\n")
    return lines if is_incomplete(last) else [*lines, last]
