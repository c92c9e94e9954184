"""Keeps answers in a folder: one file an answer, named by the hash of what was asked.

The first line of a file tells what it is, the second is the answer. No file is ever changed.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.files import make_private_folder, reason_of, write_whole
from attractor.base.json import Json, content_hash, parse_json
from attractor.llm.errors import ConfigurationError
from attractor.llm.middleware.answer_records import read_answer, write_answer
from attractor.llm.middleware.request_digest import Digest, differences
from attractor.llm.response import Response

_VERSION = 1
_ENDING = ".answer.json"
_MOST_COMPARED = 500
_LONGEST_HEAD = 4_000_000
_MODE = 0o600


@dataclass(frozen=True)
class Kept:
    """What a folder has for a request: an answer, or nothing; and what is wrong with its file."""

    answer: Response | None = None
    fault: str = ""


class AnswerFiles:
    """The answers in one folder; several processes may use it at the same time."""

    def __init__(self, folder: str | Path) -> None:
        if not _is_name(folder):
            raise ConfigurationError(
                f"{str(folder)!r} is no name of a folder", hint="leave out what no path may hold"
            )
        self.folder = Path(folder)

    def find(self, key: str) -> Kept:
        """Return the answer to a request, and why it cannot be had when its file is damaged."""
        path = self._path(key)
        try:
            text = path.read_bytes().decode()
        except (FileNotFoundError, NotADirectoryError):
            return Kept()
        except OSError as cause:
            return Kept(fault=f"{path} cannot be read: {reason_of(cause)}")
        except UnicodeDecodeError:
            return Kept(fault=f"{path} is damaged")
        return _read(text, key, path)

    def keep(self, digest: Digest, answer: Response) -> None:
        """Write an answer, whole or not at all; nobody else may read it."""
        body = write_answer(answer)
        head = {
            "attractor_answer": _VERSION,
            "key": digest.key,
            "sha256": content_hash(body.encode()),
            "request": digest.fields,
        }
        make_private_folder(self.folder)
        text = f"{json.dumps(head, separators=(',', ':'))}\n{body}\n"
        # Not synced: what a power failure damages is only asked again.
        write_whole(self._path(digest.key), text, sync=False, mode=_MODE)

    def nearest(self, digest: Digest) -> Sequence[str] | None:
        """Name what differs from the most similar request that is kept; None when none is."""
        found = (differences(digest.fields, one) for one in self._requests())
        return min(found, key=len, default=None)

    def _requests(self) -> Sequence[Mapping[str, Json]]:
        """Return what was asked in the newest files."""
        try:
            found = [one for one in os.scandir(self.folder) if one.name.endswith(_ENDING)]
            found.sort(key=lambda one: one.stat().st_mtime, reverse=True)
        except OSError:
            return []
        heads = (_head(Path(one.path)) for one in found[:_MOST_COMPARED])
        return [head for head in heads if head]

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_ENDING}"


def _is_name(folder: str | Path) -> bool:
    try:
        return b"\0" not in os.fsencode(folder)
    except UnicodeEncodeError:
        return False


def _read(text: str, key: str, path: Path) -> Kept:
    first, _, rest = text.partition("\n")
    body = rest.removesuffix("\n")
    try:
        head = parse_json(first)
        if isinstance(head, dict) and head.get("attractor_answer", _VERSION) != _VERSION:
            return Kept(fault=f"{path} is of another version")
        told = (head.get("key"), head.get("sha256")) if isinstance(head, dict) else ()
        if told == (key, content_hash(body.encode())):
            return Kept(read_answer(body))
    except (NotCanonical, ValueError, TypeError, KeyError, RecursionError):
        pass
    return Kept(fault=f"{path} is damaged")


def _head(path: Path) -> Mapping[str, Json]:
    try:
        with path.open("rb") as file:
            head = parse_json(file.readline(_LONGEST_HEAD))
    except (OSError, NotCanonical):
        return {}
    told = head.get("request") if isinstance(head, dict) else None
    return told if isinstance(told, dict) else {}
