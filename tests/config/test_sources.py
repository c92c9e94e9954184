import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from attractor.config.errors import BrokenFile, InvalidSetting
from attractor.config.schema import Origin, OriginKind
from attractor.config.sources import (
    MOST_BYTES,
    Source,
    read_file,
    read_flag,
    read_variable,
    set_variables,
)
from attractor.config.user_folders import RESERVED_VARIABLES

CWD = Path("/cwd")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "attractor.toml"


def read(file: Path) -> Source:
    return read_file(file, Origin(OriginKind.PROJECT, "attractor.toml"))


def broken(file: Path) -> BrokenFile:
    with pytest.raises(BrokenFile) as caught:
        read(file)
    assert len(caught.value.message.splitlines()) == 1
    assert caught.value.hint
    return caught.value


def test_values_of_a_file_have_lines(file: Path):
    file.write_text("# a comment\n[output]\ncolor = 'never'\n")
    source = read(file)
    assert source.values == {"output": {"color": "never"}}
    assert source.origin_of(("output", "color")).describe() == "attractor.toml:3"
    assert source.base == file.parent
    assert not source.is_text


def test_missing_file_sets_nothing(file: Path):
    assert read(file).values == {}
    assert read(file / "below" / "a.toml").values == {}


def test_file_below_a_file_sets_nothing():
    assert read(Path(os.devnull) / ".config" / "config.toml").values == {}


def test_an_empty_file_sets_nothing(file: Path):
    file.touch()
    assert read(file).values == {}


def test_a_file_may_be_a_link_and_its_paths_start_where_the_link_lies(file: Path, tmp_path: Path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "real.toml").write_text("runs_dir = 'r'")
    file.symlink_to(tmp_path / "far" / "real.toml")
    assert read(file).values == {"runs_dir": "r"}
    assert read(file).base == tmp_path


def test_broken_link_is_reported(file: Path):
    file.symlink_to(file.parent / "missing")
    assert "is a broken link" in broken(file).message


def test_link_to_itself_is_unreadable(file: Path):
    file.symlink_to(file)
    assert broken(file).message.startswith("attractor.toml: cannot be read: ")


def test_folder_in_place_of_a_file_is_reported(file: Path):
    file.mkdir()
    error = broken(file)
    assert error.message == "attractor.toml: cannot be read: Is a directory"
    assert isinstance(error.cause, IsADirectoryError)


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand in a folder as somebody whom permissions bind: root reads whatever there is."""
    monkeypatch.chdir(tmp_path)
    me = os.geteuid()
    if me == 0:
        os.chown(tmp_path, 65534, -1)
        os.seteuid(65534)
    yield
    os.seteuid(me)


def test_file_without_permission_is_unreadable(nobody: None):
    Path("attractor.toml").touch(mode=0)
    error = broken(Path("attractor.toml"))
    assert error.message == "attractor.toml: cannot be read: Permission denied"


def test_file_in_a_closed_folder_is_unreadable(nobody: None):
    Path("shut").mkdir(mode=0)
    error = broken(Path("shut", "attractor.toml"))
    assert error.message == "attractor.toml: cannot be read: Permission denied"


def test_pipe_is_refused(file: Path):
    os.mkfifo(file)
    assert broken(file).message == "attractor.toml: is not a file"


def test_too_long_file_is_refused(file: Path):
    file.write_text("#" * (MOST_BYTES - 1) + "\n")
    assert read(file).values == {}
    file.write_text("#" * MOST_BYTES + "\n")
    assert broken(file).message == "attractor.toml: is longer than 1,000,000 bytes"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\na = 2\n", 2),
        ("[a]\nb = 1\n[a]\n", 3),
        ("a.b = 1\na = 2\n", 2),
        ("a = {b = 1}\n[a.c]\n", 2),
        ("a = {b = 1}\n[a]\n", 2),
        ("a = 1\n[[a]]\n", 2),
        ("a = {b = 1, b = 2}\n", 1),
        ("[a.b.c]\nz = 9\n[a]\nb.c.t = 9\n", 4),
    ],
)
def test_duplicate_key_has_its_second_place(file: Path, text: str, line: int):
    file.write_text(text)
    error = broken(file)
    assert error.message.startswith(f"attractor.toml:{line}:")
    assert error.message.endswith(": duplicate key or table")
    assert "remove one of the two" in error.hint


def test_a_byte_order_mark_is_named(file: Path):
    file.write_bytes(b"\xef\xbb\xbfruns_dir = 'r'\n")
    error = broken(file)
    assert error.message == "attractor.toml:1:1: starts with a byte order mark"
    assert "without" in error.hint


def test_invalid_utf8_has_its_place(file: Path):
    file.write_bytes("a = 1\nb = 'é".encode() + b"\xff'\n")
    assert broken(file).message == "attractor.toml:2:7: not UTF-8: byte 0xff"


def test_utf16_is_not_utf8(file: Path):
    file.write_bytes("a = 1".encode("utf-16"))
    assert "not UTF-8" in broken(file).message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a = \n", "attractor.toml:1:5: "),
        ("a = 1\n\nb = 2 c\n", "attractor.toml:3:7: "),
        ("[a]\nb = 1\n[a]\n", "attractor.toml:3:3: "),
        ("a = 1\r\nb = \r\n", "attractor.toml:2:5: "),
        ("a = 1\rb = 2\r", "attractor.toml:1:6: "),
        ("a = 1\nb = 'x\0y'\n", "attractor.toml:2:7: "),
        ("\0" * 100, "attractor.toml:1:1: "),
        ("a = 1\nb = [1,\n\n", "attractor.toml:2:8: "),
        ("a = '''\nx", "attractor.toml:2:2: "),
        pytest.param("a = " + "9" * 5000, "attractor.toml: ", id="digits"),
        pytest.param(
            "a = " + "[" * 100_000, "attractor.toml: values are nested too deeply", id="deep"
        ),
    ],
)
def test_invalid_toml_has_line_and_column(file: Path, text: str, place: str):
    file.write_bytes(text.encode())
    error = broken(file)
    assert error.message.startswith(place)
    assert "(at " not in error.message
    assert error.cause is not None


def test_a_variable_sets_a_nested_key():
    source = read_variable("ATTRACTOR_DOCTOR__MIN_FREE_MB", "5", cwd=CWD)
    assert source.values == {"doctor": {"min_free_mb": "5"}}
    assert source.origin_of(("doctor", "min_free_mb")) == Origin(
        OriginKind.VARIABLE, "ATTRACTOR_DOCTOR__MIN_FREE_MB"
    )
    assert source.base == CWD
    assert source.is_text


def test_only_nonempty_setting_variables_are_used():
    environ = {
        "PATH": "/bin",
        "ATTRACTOR_RUNS_DIR": "r",
        "ATTRACTOR_STATE_DIR": "",
        "attractor_runs_dir": "s",
        "ATTRACTOR_OUTPUT__COLOR": "never",
        "ATTRACTOR_OUTPUT": "{}",
        "ATTRACTOR_INPUT_TOKEN": "hush-hush",
    } | dict.fromkeys(RESERVED_VARIABLES, "x")
    assert [name for name, _ in set_variables(environ)] == [
        "ATTRACTOR_OUTPUT",
        "ATTRACTOR_OUTPUT__COLOR",
        "ATTRACTOR_RUNS_DIR",
    ]


def test_the_status_file_of_a_stage_is_no_setting():
    assert set_variables({"ATTRACTOR_STATUS_FILE": "/tmp/status.json"}) == []


@pytest.mark.parametrize(
    ("flag", "values"),
    [
        ("output.color=never", {"output": {"color": "never"}}),
        (" output . color =never", {"output": {"color": "never"}}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
        ("a=[1, 'x']", {"a": [1, "x"]}),
        ("a={b = {c = true}}", {"a": {"b": {"c": True}}}),
        ("a='x'", {"a": "'x'"}),
        ('a."b.c"=1', {"a": {"b.c": "1"}}),
    ],
)
def test_a_flag_sets_a_nested_key(flag: str, values: object):
    source = read_flag(flag, cwd=CWD)
    assert source.values == values
    assert source.origin_of(("a",)).describe() == f"--config {flag}"


@pytest.mark.parametrize(
    "flag",
    [
        "",
        "=",
        "=x",
        "output.color",
        "a b=1",
        "a.=1",
        "a=[1",
        "a=[1]\nb=2",
        "a={b=1",
        pytest.param("a=" + "[" * 100_000, id="deep"),
    ],
)
def test_invalid_flag_has_a_hint(flag: str):
    with pytest.raises(InvalidSetting, match="^--config ") as caught:
        read_flag(flag, cwd=CWD)
    assert len(caught.value.message.splitlines()) == 1
    assert caught.value.hint.startswith("write ")


def test_a_flag_without_a_value_names_its_own_key():
    with pytest.raises(InvalidSetting) as caught:
        read_flag("output.color", cwd=CWD)
    assert "output.color=VALUE" in caught.value.hint
