import errno
from pathlib import Path

import pytest

from attractor.agent.apply_patch import apply_patch
from attractor.agent.errors import PatchMismatch
from attractor.agent.patch_parsing import parse_patch
from attractor.base.errors import FileTrouble
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.local import LocalExecutionEnvironment
from tests.agent.places import finish, local, write


def patch(*lines: str) -> str:
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


def apply(text: str, environment: ExecutionEnvironment) -> list[str]:
    return list(finish(apply_patch(parse_patch(text), environment)))


def test_all_operations_happen_together(tmp_path: Path) -> None:
    write(tmp_path, a="one\ntwo\n", b="go\n", c="import os\n")
    done = apply(
        patch(
            "*** Add File: sub/new",
            "+hello",
            "*** Update File: a",
            "@@",
            " one",
            "-two",
            "+zwei",
            "*** Delete File: b",
            "*** Update File: c",
            "*** Move to: d",
            "@@ import os",
            "+import sys",
        ),
        local(tmp_path),
    )
    assert done == ["A sub/new", "M a", "D b", "R c -> d"]
    found = {one.relative_to(tmp_path).as_posix() for one in tmp_path.rglob("*") if one.is_file()}
    assert found == {"sub/new", "a", "d"}
    assert (tmp_path / "sub/new").read_text() == "hello\n"
    assert (tmp_path / "a").read_text() == "one\nzwei\n"
    assert (tmp_path / "d").read_text() == "import os\nimport sys\n"


def test_operations_build_on_each_other(tmp_path: Path) -> None:
    write(tmp_path, a="1\n", b="2\n")
    apply(
        patch(
            "*** Update File: a",
            "-1",
            "+one",
            f"*** Update File: {tmp_path}/a",
            "-one",
            "+eins",
            "*** Delete File: b",
            "*** Add File: ./b",
            "+new",
        ),
        local(tmp_path),
    )
    assert (tmp_path / "a").read_text() == "eins\n"
    assert (tmp_path / "b").read_text() == "new\n"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["*** Update File: a", "-nothing"], "a, hunk 1: these lines are not there from line 1 on"),
        (["*** Update File: a", "@@ nowhere", "-1"], "a, hunk 1: no line 'nowhere'"),
        (["*** Update File: gone", "-1"], "gone: there is no such file"),
        (["*** Delete File: gone"], "gone: there is no such file"),
        (["*** Add File: a", "+1"], "a: there is such a file already"),
        (["*** Update File: a", "*** Move to: b", "-1"], "b: there is such a file already"),
    ],
)
def test_what_does_not_fit_leaves_every_file_as_it_was(
    tmp_path: Path, lines: list[str], told: str
) -> None:
    write(tmp_path, a="1\n", b="2\n")
    with pytest.raises(PatchMismatch) as raised:
        apply(patch("*** Add File: new", "+x", *lines), local(tmp_path))
    assert told in raised.value.message
    assert "nothing was changed" in raised.value.hint
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"a": "1\n", "b": "2\n"}


class FullDisk(LocalExecutionEnvironment):
    """Fails to write one file, and afterwards any file when nothing is left at all."""

    refuses = "b"
    fails_for_good = False
    failed = False

    async def write_file(self, path: str, content: str) -> None:
        if path == self.refuses or (self.failed and self.fails_for_good):
            self.failed = True
            raise FileTrouble(f"cannot write {path}") from OSError(errno.ENOSPC, "full")
        await super().write_file(path, content)


TWO_FILES = patch(
    "*** Add File: new", "+x", "*** Update File: a", "-1", "+one", "*** Update File: b", "-2", "+2b"
)


def test_a_write_that_fails_undoes_those_before_it(tmp_path: Path) -> None:
    write(tmp_path, a="1\n", b="2\n")
    with pytest.raises(FileTrouble):
        apply(TWO_FILES, FullDisk(tmp_path, environ={}))
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"a": "1\n", "b": "2\n"}


def test_what_cannot_be_undone_is_named(tmp_path: Path) -> None:
    write(tmp_path, a="1\n", b="2\n")
    disk = FullDisk(tmp_path, environ={})
    disk.fails_for_good = True
    with pytest.raises(FileTrouble, match="nor these files put back: a$"):
        apply(TWO_FILES, disk)
    assert not (tmp_path / "new").exists()


def test_a_path_outside_is_refused_by_the_environment(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(Exception, match="outside|leads out"):
        apply(patch("*** Add File: ../out", "+x"), local(inside))
    assert not (tmp_path / "out").exists()
