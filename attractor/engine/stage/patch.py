"""Makes a patch of the changes between two trees, limited in size and without secrets."""

import asyncio
import codecs
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.engine.seams import Workspace
from attractor.engine.state.attempts import TreeId
from attractor.engine.storage.secrets import PLACEHOLDER, QUOTE, Redactor

LARGEST_PATCH = 4 << 20

MAX_PATCH_S = 3.0
"""The maximum time to make a patch; after this time, the run continues without the patch."""

MOST_NAMED = 50

_FILE = late_pattern(rb"^diff --git ", re.MULTILINE)

_NO_CONTENT = late_pattern(rb"^Binary files .* differ$", re.MULTILINE)

_HUNK = b"\n@@ "


@dataclass(frozen=True)
class Patch:
    """The patch between two trees, and the changed paths that are missing in the patch."""

    content: bytes
    left_out: tuple[str, ...] = ()


async def make_patch(
    workspace: Workspace, since: TreeId, until: TreeId, *, most: int = LARGEST_PATCH
) -> Patch:
    """Return a patch of all changes; if it is too large, return a patch of as many files as fit."""
    whole = await _diff(workspace, since, until, most, binary=True)
    if whole is not None and len(whole) <= most:
        return Patch(whole)
    # Without binary content, more text files fit.
    text = await _diff(workspace, since, until, most, binary=False)
    files = list(files_of(text or b""))
    if text is None or len(text) > most:
        del files[-1:]
    complete = [file for file in files if not _NO_CONTENT.search(file.partition(_HUNK)[0])]
    names = {path_in(one) for one in complete}
    changed = await workspace.changed(since, until)
    return Patch(b"".join(complete), tuple(path for path in changed if path not in names))


@dataclass(frozen=True)
class StoredPatch:
    """A patch as it is stored; a redacted patch cannot be applied."""

    content: bytes
    is_redacted: bool = False


def redact_patch(patch: Patch, redactor: Redactor) -> StoredPatch:
    """Return a patch as it is stored: redacted, with a note of the paths not included."""
    clean = clean_patch(patch.content, redactor)
    is_redacted = clean != patch.content
    lines = list(_remarks(patch.left_out))
    if is_redacted:
        lines.append(f"Secrets are replaced by {PLACEHOLDER}, so this patch cannot be applied.")
        # Quoted, so that no program can apply it and write placeholders into files.
        clean = QUOTE + clean.removesuffix(b"\n").replace(b"\n", b"\n" + QUOTE) + b"\n"
    head = redactor.text("".join(f"{line}\n" for line in lines)).encode()
    return StoredPatch(head + (b"\n" if head else b"") + clean, is_redacted)


async def _diff(
    workspace: Workspace, since: TreeId, until: TreeId, most: int, *, binary: bool
) -> bytes | None:
    """Return the first `most` + 1 bytes of the patch between two trees; None after a time-out."""
    try:
        async with asyncio.timeout(MAX_PATCH_S):
            return await workspace.diff(since, until, most=most + 1, binary=binary)
    except TimeoutError:
        return None


def files_of(patch: bytes) -> Iterator[bytes]:
    """Yield the part of the patch for each file."""
    bounds = [*(one.start() for one in _FILE.finditer(patch)), len(patch)]
    for begin, end in pairwise(bounds):
        yield patch[begin:end]


def path_in(of_file: bytes) -> str:
    """Return the path in the header of a file's part of a patch."""
    both = of_file.partition(b"\n")[0].removeprefix(b"diff --git ")
    name = both[: len(both) // 2]
    return unquote_path(name).removeprefix(b"a/").decode("utf-8", "backslashreplace")


def unquote_path(name: bytes) -> bytes:
    """Return a path of a patch without the quotes in which Git writes special characters."""
    if not name.startswith(b'"'):
        return name
    try:
        path, _ = codecs.escape_decode(name[1:-1])
    except ValueError:
        # Git wrote no such escape.
        return name
    return path


def clean_patch(content: bytes, redactor: Redactor) -> bytes:
    """Return lines of a patch without secrets."""
    try:
        return redactor.patch(content.decode()).encode()
    except UnicodeDecodeError:
        return b"".join(_clean_line(line, redactor) for line in content.splitlines(keepends=True))


def _clean_line(line: bytes, redactor: Redactor) -> bytes:
    """Return a line without secrets, even if the line is not UTF-8."""
    try:
        return redactor.text(line.decode()).encode()
    except UnicodeDecodeError:
        return redactor.text(line.decode("latin-1")).encode("latin-1")


def _remarks(left_out: Sequence[str]) -> Iterator[str]:
    if not left_out:
        return
    files = number_of(len(left_out), "changed file")
    yield f"Left out, because the patch would be too large: {files}."
    yield from (f"  {_one_line(path)}" for path in left_out[:MOST_NAMED])
    if len(left_out) > MOST_NAMED:
        yield f"  and {len(left_out) - MOST_NAMED} more"


def _one_line(path: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in path)
