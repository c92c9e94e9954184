"""Contract of StageFiles: the stage folder, and the fake in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.engine.errors import StageOver
from attractor.engine.seams import StageFiles
from attractor.engine.stage.folder import FolderFiles
from attractor.engine.storage.secrets import Redactor
from tests.handlers.stages import KeptFiles

LARGEST = 1000


@dataclass(frozen=True)
class Place:
    """Stage files, their content, and a way to end their stage."""

    files: StageFiles
    read: Callable[[], dict[str, str]]
    close: Callable[[], None]


Make = Callable[[Sequence[str]], Place]


@pytest.fixture(params=["folder", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Return a function that makes stage files, which redact the given secrets."""

    def in_folder(secrets: Sequence[str]) -> Place:
        files = FolderFiles(tmp_path, Redactor(secrets), largest=LARGEST)
        return Place(
            files,
            lambda: {one.name: one.read_bytes().decode() for one in tmp_path.iterdir()},
            files.close,
        )

    def in_memory(secrets: Sequence[str]) -> Place:
        files = KeptFiles(redactor=Redactor(secrets), largest=LARGEST)
        return Place(files, lambda: files.texts, files.close)

    return in_folder if request.param == "folder" else in_memory


@pytest.mark.parametrize("text", ["", "one\ntwo", "größe 🐍\n", "\0\x1b[0m\r\n", " \n"])
def test_file_is_overwritten_whole(make: Make, text: str) -> None:
    place = make([])
    place.files.write("größe 🐍.md", "what was there before, and longer")
    place.files.write("größe 🐍.md", text)
    assert place.read() == {"größe 🐍.md": text}


def test_lines_are_appended_in_order(make: Make) -> None:
    place = make([])
    place.files.append("log.txt", "one")
    place.files.append("log.txt", "")
    place.files.append("log.txt", "zwei 🐍")
    place.files.write("other.txt", "written")
    place.files.append("other.txt", " and more")
    assert place.read() == {"log.txt": "one\n\nzwei 🐍\n", "other.txt": "written and more\n"}


def test_secrets_are_redacted_and_surrogates_escaped(make: Make) -> None:
    place = make(["open sesame"])
    place.files.write("a.txt", "say open sesame")
    place.files.append("b.txt", "open sesame \ud800")
    assert place.read() == {"a.txt": "say ***", "b.txt": "*** \\ud800\n"}


@pytest.mark.parametrize("sign", ["x", "ü", "🐍"])
def test_too_long_text_keeps_its_ends(make: Make, sign: str) -> None:
    place = make([])
    place.files.write("a.txt", "begin" + sign * LARGEST + "end")
    text = place.read()["a.txt"]
    assert text.startswith(f"begin{sign}")
    assert text.endswith(f"{sign}end")
    assert "bytes omitted" in text
    assert len(text.encode()) < LARGEST + 100


def test_a_text_that_just_fits_is_whole(make: Make) -> None:
    place = make([])
    place.files.write("a.txt", "ü" * (LARGEST // 2))
    assert place.read()["a.txt"] == "ü" * (LARGEST // 2)


def test_full_file_gets_one_note_and_no_more_lines(make: Make) -> None:
    place = make([])
    for _ in range(20):
        place.files.append("log.txt", "x" * 299)
    place.files.append("other.txt", "fits")
    lines = place.read()["log.txt"].splitlines()
    assert lines == ["x" * 299] * 3 + ["[full: what came after was left out]"]
    assert place.read()["other.txt"] == "fits\n"


def test_rewritten_file_accepts_lines_again(make: Make) -> None:
    place = make([])
    for _ in range(20):
        place.files.append("log.txt", "x" * 299)
    place.files.write("log.txt", "new\n")
    place.files.append("log.txt", "more")
    assert place.read()["log.txt"] == "new\nmore\n"


@pytest.mark.parametrize(
    "name", ["status.json", "history", "a/b", "/a", "../a", "a/", "", ".hidden", ".", "..", "a\0"]
)
def test_only_plain_file_names_are_accepted(make: Make, name: str) -> None:
    place = make([])
    for doing in (place.files.write, place.files.append):
        with pytest.raises(UsageError):
            doing(name, "x")
    assert place.read() == {}


def test_ended_stage_writes_no_file(make: Make) -> None:
    place = make([])
    place.files.write("a.txt", "in time")
    place.close()
    place.close()
    for doing in (place.files.write, place.files.append):
        with pytest.raises(StageOver):
            doing("a.txt", "late")
        with pytest.raises(StageOver):
            doing("../a", "late and wrong")
    assert place.read() == {"a.txt": "in time"}
