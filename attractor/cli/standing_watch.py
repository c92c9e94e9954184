"""Tells where a run stands whenever that changes, whoever is at work on it."""

from collections.abc import Callable, Iterator
from pathlib import Path

from attractor.base.json import Json
from attractor.cli.standing import Standing, standing_of
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.open_run import is_held
from attractor.engine.stage.stage_files import TAIL
from attractor.pipeline.run_lookup import UNKNOWN

OFTEN_S = 0.5
"""How long to wait before looking again."""

_Look = tuple[object, ...]


def standings(root: Path, runs_dir: Path, wait: Callable[[], None]) -> Iterator[Standing]:
    """Yield where a run stands, now and when it changed, until it is over.

    `wait` is called between two looks. When another run goes on in its place, that one follows.
    """
    looked: _Look = ()
    before: dict[str, Json] = {}
    last: Standing | None = None
    while True:
        # What changes while we read is seen with the next look.
        look = _look(root, last)
        if last is None or look != looked:
            last, looked = standing_of(root, runs_dir), look
            record = {**last.to_record(), "written": ""}
            if record != before:
                yield last
            before = record
        following = runs_dir / last.summary.restarted_as if last.summary.restarted_as else None
        if following and (following / "manifest.json").is_file():
            root, looked, before, last = following, (), {}, None
        elif is_over(last):
            return
        else:
            wait()


def is_over(standing: Standing) -> bool:
    """Tell whether nothing of a run is left to be walked: it ended, or it cannot be believed."""
    one = standing.summary
    return not one.is_live and (bool(one.outcome) or one.is_final or one.status == UNKNOWN)


def _look(root: Path, last: Standing | None) -> _Look:
    """Return what is another one when something happened: files that grew, a lock that was let."""
    directory = RunDirectory(root)
    tails = [one.folder / TAIL for one, _ in last.at_work] if last else []
    files = [directory.events, directory.run, *tails]
    return (is_held(directory.lock), *map(_signature, files))


def _signature(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
