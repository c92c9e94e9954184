"""Folders to measure in, which are removed only when all is measured.

For a while ext4 passes over the inodes of removed files one by one when it makes new files: thirty
times slower was seen. Who removes what one round made measures that in the next one; and what was
removed before, such as by tests, is waited for.
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
# What a quiet file system takes is half of that, and one that still passes over is far above it.
_QUICK_S = _TRIED * 1e-4
_OFTEN_S, _PATIENCE_S = 5, 90


class Folders:
    """Makes folders where files are made fastest just now."""

    def __init__(self) -> None:
        places = {Path(tempfile.gettempdir()), Path("/var/tmp")}
        self._made: list[Path] = []
        self._place = min(sorted(filter(Path.is_dir, places)), key=self._seconds)
        self._settle()

    def new(self) -> Path:
        """Return a folder that is empty."""
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
        """Remove all of them."""
        for one in self._made:
            shutil.rmtree(one, ignore_errors=True)

    def _settle(self) -> None:
        """Wait until files are made quickly; on a machine that never does, go on after a while."""
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
        """Tell how long it takes to make folders with a file each."""
        if not os.access(place, os.W_OK):
            return float("inf")
        folder = self._new_in(place)
        began = time.perf_counter()
        for number in range(_TRIED):
            (folder / str(number)).mkdir()
            (folder / str(number) / "file").write_bytes(b"x")
        return time.perf_counter() - began
