import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.workspaces.git.reserved_names import is_attributes, is_dot_git, is_modules
from tests.counts import count


@pytest.mark.parametrize(
    "name",
    [
        b".git",
        b".GIT",
        b".gIt",
        b"git~1",
        b"GIT~1",
        b".git.",
        b".git ...",
        b".git::$INDEX_ALLOCATION",
        b"x\\.git",
        b".git\\x",
        ".g\u200cit".encode(),
        ".Git\ufeff".encode(),
    ],
)
def test_git_is_known_in_every_disguise(name: bytes) -> None:
    assert is_dot_git(name)


@pytest.mark.parametrize(
    "name", [b".gitignore", b"git", b"x.git", b".gi", b".git~1", b"\xff.git", b"..git", b"digits"]
)
def test_other_names_are_let_alone(name: bytes) -> None:
    assert not is_dot_git(name)


_PIECES = st.lists(
    st.sampled_from(
        [".", "g", "i", "t", "git", ".git", "GIT", "~1", "~2", " ", ":", "\\", "x", "\u200c"]
    ),
    min_size=1,
    max_size=4,
).map("".join)


@settings(deadline=None, max_examples=count(ci=15, full=300))
@given(names=st.lists(_PIECES, min_size=1, max_size=20, unique=True))
def test_git_accepts_every_name_that_is_not_reserved(names: list[str]) -> None:
    kept = [name for name in names if not is_dot_git(name.encode()) and name not in (".", "..")]
    lines = "".join(f"100644 {'e' * 40}\t{name}\0" for name in kept)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", "--bare", folder], check=True, timeout=60)
        off = ["-c", "core.protectHFS=true", "-c", "core.protectNTFS=true"]
        done = subprocess.run(
            ["git", *off, "update-index", "-z", "--index-info"],
            cwd=Path(folder),
            input=lines.encode(),
            capture_output=True,
            timeout=60,
        )
        assert done.stderr == b""
        assert done.returncode == 0


_LINKS = st.lists(
    st.sampled_from(
        [".gitmodules", ".GitModules", "gitmod", "gi7eba", "gi7", "g", "~1", "~4", "~5", "~10", " ",
         "000", "00000", ".", ":", "\\", "x", "\u200c", ".gitattributes", "gitatt", "gi7d29"]
    ),
    min_size=1,
    max_size=4,
).map("".join)  # fmt: skip


@settings(deadline=None, max_examples=count(ci=15, full=300))
@given(names=st.lists(_LINKS, min_size=1, max_size=20, unique=True))
def test_git_finds_no_modules_or_attributes_that_we_do_not(names: list[str]) -> None:
    unknown = [one for one in names if not is_modules(one.encode()) and one not in (".", "..")]
    plain = [one for one in unknown if not is_attributes(one.encode())]
    with tempfile.TemporaryDirectory() as folder:
        # As a link git refuses the one, and takes offence at the other when it is no file.
        assert "gitmodules" not in _offences(
            Path(folder, "a"), [f"120000 {one}" for one in unknown]
        )
        assert "gitattributes" not in _offences(
            Path(folder, "b"), [f"120000 {one}" for one in plain]
        )


@pytest.mark.parametrize("name", ["gitmodules", "gitattributes"])
def test_modules_and_attributes_are_known_as_git_knows_them(tmp_path: Path, name: str) -> None:
    short, hashed = name[:6], "gi7eba" if name == "gitmodules" else "gi7d29"
    disguises = [
        f".{name}", f".{name.upper()}", f"{short}~1", f"{short.upper()}~4", f"{hashed}~1",
        "~1000000", f"{hashed[:4]}~123", f".{name} .", f".{name}:x", f".git\u200c{name[3:]}",
        f"x\\.{name}",
    ]  # fmt: skip
    is_one, other = is_modules, is_attributes
    if name == "gitattributes":
        is_one, other = other, is_modules
    for number, disguise in enumerate(disguises):
        assert is_one(disguise.encode()), disguise
        assert other(disguise.encode()) == (disguise == "~1000000")
        if "\\" not in disguise:
            assert name in _offences(tmp_path / str(number), [f"120000 {disguise}"]), disguise
    for harmless in (name, f"x.{name}", f"{short}~5", f"{hashed}~0", f".{name}x", "~100", "g"):
        assert not is_one(harmless.encode()), harmless


def _offences(folder: Path, entries: list[str]) -> str:
    """Return what git says of a tree with some entries, all of the same content."""
    subprocess.run(["git", "init", "-q", "--bare", folder], check=True, timeout=60)

    def run(*words: str, given: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=folder, input=given.encode(), capture_output=True, timeout=60
        )
        return (done.stdout + done.stderr).decode()

    blob = run("hash-object", "-w", "--stdin", given="x").strip()
    split = (entry.split(" ", 1) for entry in entries)
    lines = "".join(f"{mode} blob {blob}\t{name}\0" for mode, name in split)
    run("mktree", "-z", given=lines)
    return run("fsck", "--strict", given="").lower()
