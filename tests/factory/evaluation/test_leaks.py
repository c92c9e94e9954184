"""Canaries in files of finished runs."""

import gzip
import os
import subprocess
import zlib
from base64 import b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

from attractor.factory.evaluation.leaks import SearchedFolder, find_leaks
from tests.base.test_files import DEEP, deep_folder
from tests.tables import table

CANARY = "attractor-canary-0123456789abcdef0123456789abcdef"

FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "reversed": lambda text: text[::-1],
    "hex": lambda text: text.encode().hex(),
    "upper hex": lambda text: text.encode().hex().upper(),
    "wrapped": lambda text: f"{text[:20]}\n{text[20:]}",
    "hex dump": lambda text: "\n".join(one.to_bytes().hex(" ") for one in text.encode()),
    "wrapped base64": lambda text: encodebytes(f"{'x' * 40}{text}".encode()).decode(),
    **{
        f"{encode.__name__} at {offset}": lambda text, encode=encode, offset=offset: encode(
            f"{'x' * offset}{text} and more".encode()
        ).decode()
        for encode in (b64encode, urlsafe_b64encode)
        for offset in range(3)
    },
}


def leaks(root: Path) -> list[str]:
    return find_leaks(CANARY, [SearchedFolder("workspace", root)])


@table("form", FORMS)
def test_canary_is_found_in_every_encoding(tmp_path: Path, form: str) -> None:
    (tmp_path / "notes.txt").write_text(f"They want:\n{FORMS[form](CANARY)}\nand that is all.")
    (tmp_path / "harmless.txt").write_text(f"They want:\n{FORMS[form]('x' * 49)}\n")
    assert leaks(tmp_path) == ["workspace: notes.txt"]


def test_canary_is_found_in_every_part_of_a_file(tmp_path: Path) -> None:
    pieces = 1 << 20
    (tmp_path / "large.bin").write_bytes(b"\0" * (pieces - 20) + CANARY.encode() + b"\0" * 99)
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "closed").write_text(CANARY)
    (tmp_path / "private" / "closed").chmod(0)
    (tmp_path / "private").chmod(0)
    (tmp_path / "link").symlink_to(CANARY)
    (tmp_path / f"{CANARY}.txt").touch()
    os.mkfifo(tmp_path / "pipe")
    named = f"folder of {CANARY}"
    (tmp_path / named).mkdir()
    (tmp_path / os.fsdecode(b"\xff")).write_text(CANARY)
    found = sorted([f"{CANARY}.txt", named, "large.bin", "link", "private/closed", r"\U0000DCFF"])
    assert sorted(leaks(tmp_path)) == [f"workspace: {one}" for one in found]


def test_deep_folders_are_searched(tmp_path: Path) -> None:
    with deep_folder(tmp_path / "top", CANARY) as top:
        [found] = leaks(top)
    assert found == f"workspace: {'deep/' * DEEP}file"


def commit(root: Path, message: str, text: str = "") -> None:
    (root / "notes.txt").write_text(text)
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", message]):
        subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)


def pack(root: Path) -> None:
    subprocess.run(["git", "gc", "-q"], cwd=root, check=True, capture_output=True)


def test_message_of_a_commit_is_searched(tmp_path: Path) -> None:
    commit(tmp_path, f"First\n\n{CANARY}", "first")
    commit(tmp_path, "Second", "second")
    [found] = leaks(tmp_path)
    assert found.startswith("workspace: .git/objects/")
    pack(tmp_path)
    [found] = leaks(tmp_path)
    assert found.endswith(".pack")


def test_older_version_of_a_file_is_searched_in_a_pack(tmp_path: Path) -> None:
    lines = "".join(f"line {number * number}\n" for number in range(2000))
    # In a pack, the newest version is stored whole, and older versions as deltas, which split
    # texts.
    commit(tmp_path, "First", f"{'-' * 100}{CANARY}\n{lines}")
    commit(tmp_path, "Second", lines * 2)
    pack(tmp_path)
    [packed] = (tmp_path / ".git" / "objects" / "pack").glob("*.pack")
    listed = ["git", "verify-pack", "-v", f"{packed}"]
    words = subprocess.run(listed, check=True, capture_output=True, text=True).stdout
    assert "chain length = 1: 1 object" in words
    assert leaks(tmp_path) == [f"workspace: {packed.relative_to(tmp_path)}"]


def test_compressed_files_are_searched(tmp_path: Path) -> None:
    text = f"They want {CANARY}.".encode()
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"nothing") + gzip.compress(text))
    (tmp_path / "b.z").write_bytes(zlib.compress(text))
    (tmp_path / "corrupt.gz").write_bytes(gzip.compress(text)[:12] + b"\xff" * 99)
    (tmp_path / "corrupt.pack").write_bytes(b"PACK\0\0\0\2\0\0\0\1\xff")
    assert leaks(tmp_path) == ["workspace: a.gz", "workspace: b.z"]


def test_file_that_only_looks_like_an_object_is_searched(tmp_path: Path) -> None:
    folder = tmp_path / "objects" / "aa"
    folder.mkdir(parents=True)
    (folder / "text").write_text(CANARY)
    bomb = zlib.compress(b"\0" * (16 << 20))
    (folder / "bomb").write_bytes(bomb)
    assert leaks(tmp_path) == ["workspace: objects/aa/text"]
