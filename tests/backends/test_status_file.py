"""The file to report in: what is taken from it, and what is refused."""

from pathlib import Path

import pytest

from attractor.backends.status_file import LARGEST, status_file_in
from attractor.engine.errors import InvalidReport
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.memory import MemoryExecutionEnvironment
from tests.agent.places import finish


def place(folder: Path) -> LocalExecutionEnvironment:
    work, temporary = folder / "work", folder / "temporary"
    work.mkdir()
    temporary.mkdir()
    return LocalExecutionEnvironment(work, environ={"TMPDIR": str(temporary)})


def never(words: str) -> None:
    raise AssertionError(words)


async def taken(folder: Path, command: str) -> list[str | None]:
    """Return what is found before and after a command, and once more."""
    environment = place(folder)
    async with status_file_in(environment, warn=never) as file:
        assert file is not None
        before = await file.take()
        await environment.exec_command(command, timeout_ms=5_000, env_vars={"file": file.path})
        return [before, await file.take(), await file.take()]


def test_what_is_written_is_taken_once(tmp_path: Path) -> None:
    assert finish(taken(tmp_path, """printf '{"a": "ü"}' > "$file" """)) == [
        None,
        '{"a": "ü"}',
        None,
    ]


def test_it_lies_neither_in_the_tree_nor_stays(tmp_path: Path) -> None:
    finish(taken(tmp_path, "true"))
    assert list((tmp_path / "work").iterdir()) == []
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ('mkdir "$file"', "is no file"),
        ('mkfifo "$file"', "is no file"),
        ('ln -s /nowhere "$file"', "is no file"),
        (f'head -c {LARGEST + 1} /dev/zero | tr "\\0" x > "$file"', f"larger than {LARGEST}"),
    ],
)
def test_what_is_no_small_file_is_refused(tmp_path: Path, command: str, told: str) -> None:
    with pytest.raises(InvalidReport, match=told):
        finish(taken(tmp_path, command))


def test_where_no_commands_run_there_is_none() -> None:
    async def is_none() -> bool:
        async with status_file_in(MemoryExecutionEnvironment(), warn=never) as file:
            return file is None

    assert finish(is_none())


def test_where_nothing_can_be_written_there_is_none_and_a_warning_says_why(tmp_path: Path) -> None:
    told: list[str] = []

    async def is_none() -> bool:
        nowhere = {"TMPDIR": str(tmp_path / "nowhere")}
        environment = LocalExecutionEnvironment(tmp_path, environ=nowhere)
        async with status_file_in(environment, warn=told.append) as file:
            return file is None

    assert finish(is_none())
    (words,) = told
    assert words.startswith("ATTRACTOR_STATUS_FILE is not set")
    assert "nowhere" in words
