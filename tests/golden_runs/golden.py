"""Texts that must stay the same, kept in an archive; a difference is shown as a diff.

`scripts/keep-golden-runs --read` keeps them anew after a wanted change.
"""

import difflib
import io
import os
import tarfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).parent
PROJECT = FOLDER / "project"
MADE_IN = "/srv/desk"
KEEPS = "KEEP_GOLDEN_FILES" in os.environ
SHOWN = 60
"""The maximum number of printed lines of a diff."""


class Golden:
    """The texts of one archive by name; the first part of a name is the name of the run."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    def check(self, run: str, found: Mapping[str, str]) -> None:
        """Compare all texts of a run, and show the first difference; or keep them."""
        named = {f"{run}/{name}": text for name, text in found.items()}
        kept = {name: text for name, text in self._texts.items() if name.split("/")[0] == run}
        if KEEPS:
            self._texts = {n: t for n, t in self._texts.items() if n not in kept} | named
            return
        assert sorted(named) == sorted(kept), f"other files of {run}"
        for name, text in sorted(named.items()):
            if text != kept[name]:
                before, after = (one.splitlines() for one in (kept[name], text))
                diff = list(difflib.unified_diff(before, after, "kept", "now", n=2, lineterm=""))
                raise AssertionError("\n".join([name, *diff[:SHOWN]]))

    def to_archive(self) -> bytes:
        """Return the archive, which depends on the texts alone."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:xz", preset=9) as archive:
            for name, text in sorted(self._texts.items()):
                info = tarfile.TarInfo(name)
                info.size = len(content := text.encode())
                archive.addfile(info, io.BytesIO(content))
        return stream.getvalue()


@contextmanager
def opened(name: str) -> Generator[Golden]:
    """Read the texts of an archive; with KEEP_GOLDEN_FILES, write it at the end."""
    file, texts = FOLDER / f"{name}.tar.xz", dict[str, str]()
    if file.exists():
        with tarfile.open(file) as archive:
            for one in archive:
                content = archive.extractfile(one)
                assert content
                texts[one.name] = content.read().decode()
    golden = Golden(texts)
    yield golden
    if KEEPS:
        file.write_bytes(golden.to_archive())
