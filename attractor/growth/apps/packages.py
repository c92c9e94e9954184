"""The packages of this Python with which apps run: their versions, and their edited files.

An installer notes the hash of each file of a package in its RECORD. A file with another hash was
edited; a RECORD with other hashes and the same version was replaced with the package.
"""

import csv
import platform
import re
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import read_regular
from attractor.base.json import Json, canonical_json, content_hash

PYTHON = "python"
_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class InstalledPackage:
    """The version of a package, and the hash of its list of files; empty without such a list."""

    version: str
    files: str = ""


def installed_packages(names: Iterable[str]) -> Mapping[str, InstalledPackage]:
    """Return this Python, and packages with all packages that they require."""
    found = {PYTHON: InstalledPackage(platform.python_version())}
    for name, package in _required(names):
        lines: dict[str, Json] = dict(_recorded(package))
        files = content_hash(canonical_json(lines).encode()) if lines else ""
        found[name] = InstalledPackage(package.version, files)
    return found


def copy_packages(names: Iterable[str], folder: Path) -> None:
    """Copy packages and all packages that they require, without compiled parts."""
    for _, package in _required(names):
        for file in package.files or ():
            if file.suffix == ".py" and ".." not in file.parts:
                copy = folder / file
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), copy)


def edited_files(names: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Yield the missing and edited files of packages, each with `name==version`."""
    for name, package in _required(names):
        for path, wanted in _recorded(package):
            file = Path(str(package.locate_file(path)))
            try:
                digest = sha256(read_regular(file)).digest()
            except OSError:
                digest = b""
            if urlsafe_b64encode(digest).decode().rstrip("=") != wanted:
                yield f"{name}=={package.version}", file


def _required(names: Iterable[str]) -> Iterator[tuple[str, Distribution]]:
    """Yield installed packages, and those that they require."""
    waiting = list(names)
    known = set[str]()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in known:
            continue
        known.add(name)
        try:
            package = distribution(name)
        except PackageNotFoundError:
            # A requirement of another platform or version of Python.
            continue
        yield name, package
        for words in package.requires or ():
            required = _NAME.match(words)
            if required and "extra ==" not in words:
                waiting.append(required[0])


def _recorded(package: Distribution) -> Iterator[tuple[str, str]]:
    """Yield the files of a package that Python imports, with their hashes in its RECORD."""
    for path, digest, *_ in csv.reader((package.read_text("RECORD") or "").splitlines()):
        is_imported = ".dist-info/" not in path and not path.startswith("..")
        if is_imported and digest.startswith("sha256="):
            yield path, digest.removeprefix("sha256=")
