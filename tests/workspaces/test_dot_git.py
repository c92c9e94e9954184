import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.workspaces.dot_git import is_dot_git
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
def test_git_takes_every_name_that_is_not_one(names: list[str]) -> None:
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
