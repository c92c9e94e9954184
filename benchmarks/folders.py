"""Folders to measure in, removed after the last measurement.

For a while after files are removed, ext4 makes new files more slowly: thirty times was seen. So no
folder is removed between two measurements, and a measurement waits until files that other programs
removed, such as tests, have no effect any more.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_TRIED = 150
# A quiet file system needs half of this time; one that slows down after removals needs far more.
_QUICK_S = _TRIED * 1e-4
_OFTEN_S, _PATIENCE_S = 5, 90


class Folders:
    """Makes folders, when files are made quickly."""

    def __init__(self) -> None:
        places = {Path(tempfile.gettempdir()), Path("/var/tmp")}
        self._made: list[Path] = []
        self._place = min(sorted(filter(Path.is_dir, places)), key=self._seconds)
        self._settle()

    def new(self) -> Path:
        """Return an empty folder."""
        return self._new_in(self._place)

    def __enter__(self) -> Self:
        """Begin to measure."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove all folders."""
        for one in self._made:
            shutil.rmtree(one, ignore_errors=True)

    def _settle(self) -> None:
        """Wait until files are made quickly; on a slow machine, continue after a while."""
        os.sync()
        until = time.monotonic() + _PATIENCE_S
        while max(self._seconds(self._place) for _ in range(3)) > _QUICK_S:
            if time.monotonic() > until:
                print("files are created slowly here: floors are too high", file=sys.stderr)
                return
            time.sleep(_OFTEN_S)

    def _new_in(self, place: Path) -> Path:
        folder = Path(tempfile.mkdtemp(dir=place))
        self._made.append(folder)
        return folder

    def _seconds(self, place: Path) -> float:
        """Return the seconds to make folders with a file each."""
        if not os.access(place, os.W_OK):
            return float("inf")
        folder = self._new_in(place)
        began = time.perf_counter()
        for number in range(_TRIED):
            (folder / str(number)).mkdir()
            (folder / str(number) / "file").write_bytes(b"x")
        return time.perf_counter() - began
