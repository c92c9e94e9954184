"""Canaries in the files that a run leaves behind."""

import os
import subprocess
import zlib
from base64 import b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.factory.evaluation.leaks import SearchedFolder, find_leaks

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


@pytest.mark.parametrize("form", FORMS)
def test_canary_is_found_in_every_encoding(tmp_path: Path, form: str) -> None:
    (tmp_path / "notes.txt").write_text(f"They want:\n{FORMS[form](CANARY)}\nand that is all.")
    (tmp_path / "harmless.txt").write_text(f"They want:\n{FORMS[form]('x' * 49)}\n")
    assert leaks(tmp_path) == ["workspace: notes.txt"]


def test_canary_is_found_wherever_a_file_can_hold_it(tmp_path: Path) -> None:
    pieces = 1 << 20
    (tmp_path / "large.bin").write_bytes(b"\0" * (pieces - 20) + CANARY.encode() + b"\0" * 99)
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "closed").write_text(CANARY)
    (tmp_path / "private" / "closed").chmod(0)
    (tmp_path / "private").chmod(0)
    (tmp_path / "link").symlink_to(CANARY)
    (tmp_path / f"{CANARY}.txt").touch()
    os.mkfifo(tmp_path / "pipe")
    assert leaks(tmp_path) == [
        f"workspace: {one}"
        for one in sorted([f"{CANARY}.txt", "large.bin", "link"]) + ["private/closed"]
    ]


def test_message_of_a_commit_is_searched(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    git(*identity, "commit", "-q", "--allow-empty", "-m", f"First\n\n{CANARY}")
    git(*identity, "commit", "-q", "--allow-empty", "-m", "Second")
    [found] = leaks(tmp_path)
    assert found.startswith("workspace: .git/objects/")


def test_file_that_only_looks_like_an_object_is_searched(tmp_path: Path) -> None:
    folder = tmp_path / "objects" / "aa"
    folder.mkdir(parents=True)
    (folder / "text").write_text(CANARY)
    bomb = zlib.compress(b"\0" * (16 << 20))
    (folder / "bomb").write_bytes(bomb)
    assert leaks(tmp_path) == ["workspace: objects/aa/text"]
