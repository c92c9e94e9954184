"""What a store has of each dimension besides objects: what is known of its files, and a ref."""

import hashlib
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from attractor.base.errors import NotCanonical
from attractor.base.files import file_trouble, make_private_folder, write_whole
from attractor.base.json import canonical_json, parse_json
from attractor.workspaces import stat_cache
from attractor.workspaces.errors import RecordBroken
from attractor.workspaces.preparation import Readiness, readiness_from_record
from attractor.workspaces.stat_cache import StatCache

MAIN = ""
"""The name of the dimension that a run begins with; each other is a fork."""

_FOLDER = "dimensions"
_FORMAT = 1


class Index:
    """The entries of one dimension in a store; where a fork's folder lies is one of them."""

    def __init__(self, store: Path, name: str = MAIN) -> None:
        self.name = name
        # A name may have any letter in it, and any length.
        encoded = name.encode("utf-8", "surrogatepass")
        key = "main" if name == MAIN else hashlib.sha256(encoded).hexdigest()[:32]
        self._stats = store / _FOLDER / f"{key}.stats"
        self._record = store / _FOLDER / f"{key}.json"
        self._ready = store / _FOLDER / f"{key}.ready"
        self._ref = store / "refs" / "attractor" / "dimension" / key

    def known(self) -> StatCache:
        """Return what is known of the files since they were read last."""
        return stat_cache.load(self._stats)

    def know(self, cache: StatCache) -> None:
        """Write down what is known of the files."""
        make_private_folder(self._stats.parent)
        stat_cache.save(cache, self._stats)

    def point_at(self, tree: str) -> None:
        """Let a ref keep the tree that was taken last."""
        make_private_folder(self._ref.parent)
        write_whole(self._ref, f"{tree}\n", sync=False, mode=0o600)

    def folder(self) -> Path | None:
        """Return where a fork's folder lies, if it was made."""
        return _read(self._record)

    def keep_folder(self, folder: Path) -> None:
        """Write down where a fork's folder lies: from now on it is whole."""
        make_private_folder(self._record.parent)
        shown = self.name.encode("utf-8", "backslashreplace").decode()
        told = {"format": _FORMAT, "name": shown, "folder": str(folder)}
        write_whole(self._record, canonical_json(told), mode=0o600)

    def readiness(self) -> Readiness | None:
        """Return what was done to make the folder fit to work in, if it was."""
        with suppress(OSError, NotCanonical):
            return readiness_from_record(parse_json(self._ready.read_bytes()))
        return None

    def keep_readiness(self, readiness: Readiness) -> None:
        """Write down what was done to make the folder fit to work in."""
        make_private_folder(self._ready.parent)
        write_whole(self._ready, canonical_json(readiness.to_record()), mode=0o600)

    def forget(self) -> None:
        """Forget the folder and its files; the ref stays, and keeps the last tree."""
        for path in (self._record, self._ready, self._stats):
            try:
                path.unlink(missing_ok=True)
            except OSError as cause:
                raise file_trouble("remove", path, cause) from cause


def fork_folders(store: Path) -> Collection[Path]:
    """Return the folders of the forks that a store knows."""
    found = map(_read, (store / _FOLDER).glob("*.json"))
    return [folder for folder in found if folder is not None]


def _read(path: Path) -> Path | None:
    try:
        told = parse_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise file_trouble("read", path, cause) from cause
    except NotCanonical as cause:
        raise RecordBroken(f"{path} cannot be read: {cause}") from cause
    match told:
        case {"format": 1, "folder": str(folder)}:
            return Path(folder)
        case _:
            raise RecordBroken(f"{path} is not what this version of attractor writes")
