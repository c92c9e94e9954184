"""Gives one store the objects of another: by name only, as no object ever changes."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from attractor.base.files import file_trouble, sync_folder
from attractor.workspaces.errors import ObjectMissing
from attractor.workspaces.in_thread import in_thread
from attractor.workspaces.store import Store

_LOOSE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{38,62}")
# An index last: git takes a pack for there when it sees one.
_PACKED = ("pack-*.pack", "pack-*.rev", "pack-*.idx")


async def share_objects(out_of: Store, into: Store, *, tree: str) -> None:
    """Let a store have the objects of another, which may be written to; a tree must be whole."""
    await in_thread(partial(_share, out_of.objects.folder, into.objects.folder))
    told = await into.git.answer("rev-list", "--objects", "--quiet", tree)
    if told.exit_code:
        raise ObjectMissing(f"{out_of.folder} has not all of the tree {tree}: {told.stderr}")


def _share(out_of: Path, into: Path) -> None:
    try:
        folders = {into}
        for path in _objects(out_of):
            target = into / path.relative_to(out_of)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            folders.add(target.parent)
            _link(path, target)
        for folder in folders:
            sync_folder(folder)
    except OSError as cause:
        raise file_trouble("share objects of", out_of, cause) from cause


def _objects(folder: Path) -> Iterator[Path]:
    for path in folder.glob("[0-9a-f][0-9a-f]/*"):
        if _LOOSE.fullmatch(str(path.relative_to(folder))):
            yield path
    for kind in _PACKED:
        yield from (folder / "pack").glob(kind)


def _link(path: Path, target: Path) -> None:
    with suppress(FileExistsError):
        try:
            os.link(path, target)
        except FileNotFoundError:  # its writer was about to put it in place
            return
        except FileExistsError:
            raise
        except OSError:  # a file system without such links, or with no more of them
            shutil.copy2(path, target)
