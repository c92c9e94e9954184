""""""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from attractor.config.configuration import Origin, OriginKind
from attractor.config.errors import BrokenFile, InvalidSetting, SeveralMistakes, UnknownSetting
from attractor.config.load import load_configuration
from attractor.config.settings import Settings
from attractor.config.sources import (
    MOST_BYTES,
    Source,
    read_file,
    read_flag,
    read_variable,
    set_variables,
)
from attractor.config.tables import StrictTable as Section
from attractor.config.user_folders import RESERVED_VARIABLES, default_state_dir
from attractor.config.validation import check
from tests.config.models import Everything, Hook, Limits, Profile, Tone
from tests.config.project import Project
from tests.counts import count
from tests.tables import table

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


def test_missing_and_empty_files_set_nothing(file: Path) -> None:
    assert read(file).values == {}
    assert read(file / "below" / "a.toml").values == {}
    assert read(Path(os.devnull) / ".config" / "config.toml").values == {}
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


@contextmanager
def unprivileged() -> Generator[None]:
    """Be an unprivileged user, because root may read every file."""
    me = os.geteuid()
    os.seteuid(65534 if me == 0 else me)
    try:
        yield
    finally:
        os.seteuid(me)


def test_file_without_permission_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("attractor.toml").touch(mode=0)
    Path("shut").mkdir(mode=0)
    with unprivileged():
        errors = [broken(Path("attractor.toml")), broken(Path("shut", "attractor.toml"))]
    assert [error.message for error in errors] == [
        "attractor.toml: cannot be read: Permission denied"
    ] * 2


def test_pipe_is_refused(file: Path):
    os.mkfifo(file)
    assert broken(file).message == "attractor.toml: is not a regular file"


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


def test_text_that_is_not_utf8_is_named(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfruns_dir = 'r'\n")
    error = broken(file)
    assert error.message == "attractor.toml:1:1: starts with a byte order mark"
    assert "without" in error.hint
    file.write_bytes("a = 1\nb = 'é".encode() + b"\xff'\n")
    assert broken(file).message == "attractor.toml:2:7: not UTF-8: byte 0xff"
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


def test_only_nonempty_setting_variables_are_used() -> None:
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
    assert set_variables({"ATTRACTOR_STATUS_FILE": "/tmp/status.json"}) == []


@table(
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


def test_with_nothing_set_every_value_is_the_default(project: Project):
    configuration = project.load(Settings)
    assert configuration.settings == Settings(runs_dir=project.root / "runs")
    assert configuration.settings.state_dir == default_state_dir()
    assert {entry.origin.describe() for entry in configuration.entries()} == {"default"}


def test_later_layers_override_earlier_ones(project: Project):
    steps: list[tuple[Callable[[], object], dict[str, str], list[str], str]] = [
        (lambda: None, {}, [], "default"),
        (lambda: project.write_user("\ndoctor.min_free_mb = 1"), {}, [], f"{project.user_file}:2"),
        (lambda: project.write("[doctor]\nmin_free_mb = 2"), {}, [], "attractor.toml:2"),
        (lambda: None, {"ATTRACTOR_DOCTOR__MIN_FREE_MB": "3"}, [], "ATTRACTOR_DOCTOR__MIN_FREE_MB"),
        (
            lambda: None,
            {"ATTRACTOR_DOCTOR__MIN_FREE_MB": "3"},
            ["doctor.min_free_mb=4"],
            "--config doctor.min_free_mb=4",
        ),
    ]
    for expected, (prepare, environ, flags, place) in zip([1024, 1, 2, 3, 4], steps, strict=True):
        prepare()
        configuration = project.load(Settings, environ=environ, flags=flags)
        assert configuration.settings.doctor.min_free_mb == expected
        assert configuration.origin("doctor.min_free_mb").describe() == place


def test_layers_are_merged_value_by_value(project: Project) -> None:
    project.write_user("[output]\ncolor = 'never'\n[doctor]\nmin_free_mb = 1")
    project.write("[doctor]\nmin_free_mb = 2")
    settings = project.load(Settings, flags=["runs_dir=r"]).settings
    assert (settings.output.color, settings.doctor.min_free_mb) == ("never", 2)
    flags = ["output.color=never", "output={color='auto'}", "output.color=always"]
    assert project.load(Settings, flags=flags).settings.output.color == "always"
    project.write("output.color = 'never'")
    configuration = project.load(Settings, environ={"ATTRACTOR_OUTPUT__COLOR": ""})
    assert configuration.origin("output.color").describe() == "attractor.toml:1"
    environ = {"ATTRACTOR_OUTPUT__COLOR": "never", "ATTRACTOR_OUTPUT": "{color = 'always'}"}
    assert project.load(Settings, environ=environ).settings.output.color == "never"


def test_relative_paths_start_at_their_source(project: Project):
    folder = "folder = '{}/x'\n"
    project.write_user(folder.format("user") + "folders = ['~/a', '/b', 'c']")
    assert project.load(Everything).settings.folder == project.home / "user/x"
    assert project.load(Everything).settings.folders == [
        project.home / "a",
        Path("/b"),
        project.home / "c",
    ]
    project.write(folder.format("project"))
    assert project.load(Everything).settings.folder == project.root / "project/x"
    environ = {"ATTRACTOR_FOLDER": "variable/x", "ATTRACTOR_MOUNTS__A": "m"}
    settings = project.load(Everything, environ=environ, cwd=project.cwd).settings
    assert settings.folder == project.cwd / "variable/x"
    assert settings.mounts == {"a": project.cwd / "m"}
    flags = ["folder=../x", "folders=['y']"]
    settings = project.load(Everything, flags=flags, cwd=project.cwd).settings
    assert settings.folder == project.cwd / "../x"
    assert settings.folders == [project.cwd / "y"]


def test_a_relative_default_starts_at_the_projects_root(project: Project):
    assert project.load(Everything, cwd=project.cwd).settings.folder == project.root / "here"


def test_paths_within_tables_and_lists_of_tables_are_absolute_too(project: Project):
    project.write(
        "[[hooks]]\ncommand = 'a'\nfolder = 'f'\nmounts.m = 'x'\n[one_hook]\ncommand = 'b'"
    )
    settings = project.load(Everything, cwd=project.cwd).settings
    mounts = {"m": project.root / "x"}
    assert settings.hooks == [Hook(command="a", folder=project.root / "f", mounts=mounts)]
    assert settings.one_hook == Hook(command="b", folder=project.root)


def test_a_folder_whose_name_is_not_utf8_can_be_named_by_a_variable(project: Project):
    environ = {"ATTRACTOR_RUNS_DIR": "/r\udcff"}
    assert project.load(Settings, environ=environ).settings.runs_dir == Path("/r\udcff")


def test_variables_and_flags_are_converted(project: Project):
    environ = {
        "ATTRACTOR_SWITCH": "yes",
        "ATTRACTOR_COUNT": "7",
        "ATTRACTOR_WAIT": "PT5S",
        "ATTRACTOR_OUTER__TONE": "loud",
        "ATTRACTOR_HOOKS": "[{command = 'a', on = ['start']}]",
    }
    flags = ["share=1e-1", "note=7", "words=['a', 'b']", "either=[1]", "outer.inner.limits.low=2"]
    settings = project.load(Everything, environ=environ, flags=flags).settings
    assert settings.switch is True
    assert settings.count == 7
    assert settings.wait == timedelta(seconds=5)
    assert settings.outer.tone is Tone.LOUD
    assert settings.hooks[0].on == ("start",)
    assert (settings.share, settings.note, settings.words) == (0.1, "7", ["a", "b"])
    assert settings.either == [1]
    assert settings.outer.inner.limits == Limits(low=2)


def test_free_tables_are_merged_key_by_key_and_every_key_has_its_origin(project: Project):
    project.write_user("[aliases]\nfast = 'a'\nslow = 'b'")
    project.write("[aliases]\nslow = 'c'\n'gpt-4.1' = 'd'\n'x y' = 'e'\n[profiles.p]\nmodel = 'm'")
    environ = {"ATTRACTOR_PROFILES__P__EFFORT": "high"}
    configuration = project.load(Everything, environ=environ, flags=['aliases."u.v"=f'])
    assert configuration.settings.aliases == {
        "fast": "a",
        "slow": "c",
        "gpt-4.1": "d",
        "x y": "e",
        "u.v": "f",
    }
    assert configuration.settings.profiles == {"p": Profile(model="m", effort="high")}
    assert configuration.origin("aliases.fast").describe() == f"{project.user_file}:2"
    assert configuration.origin("aliases.slow").describe() == "attractor.toml:2"
    assert configuration.origin('aliases."gpt-4.1"').describe() == "attractor.toml:3"
    assert configuration.origin('aliases."u.v"').kind is OriginKind.FLAG
    assert configuration.origin("profiles.p.effort").describe() == "ATTRACTOR_PROFILES__P__EFFORT"


def test_tables_are_merged_and_lists_replaced(project: Project) -> None:
    project.write_user("aliases.a = 'b'")
    project.write("aliases = {}\n[outer]\n")
    configuration = project.load(Everything, flags=["outer={}"])
    assert configuration.settings.aliases == {"a": "b"}
    assert configuration.settings.outer.tone is Tone.PLAIN
    project.write_user("words = ['a', 'b']")
    project.write("words = ['c']")
    assert project.load(Everything).settings.words == ["c"]
    project.write("[ports]\n5 = 'five'")
    configuration = project.load(Everything)
    assert configuration.settings.ports == {1: "one", 5: "five"}
    assert configuration.origin("ports.5").describe() == "attractor.toml:2"


def test_defaults_of_free_tables_are_kept(project: Project):
    class Model(Section):
        names: dict[str, int] = {"one": 1, "two": 2}

    project.write("names.two = 3\nnames.four = 4")
    configuration = project.load(Model, flags=["names={}"])
    assert configuration.settings.names == {"one": 1, "two": 3, "four": 4}
    assert configuration.origin("names.one").kind is OriginKind.DEFAULT


def test_overridden_value_is_checked(project: Project):
    project.write_user("output.color = 'sometimes'")
    project.write("output.color = 'never'")
    with pytest.raises(InvalidSetting, match="'sometimes'"):
        project.load(Settings, flags=["output.color=always"])


def test_rule_of_a_section_sees_the_merged_values(project: Project) -> None:
    project.write_user("outer.inner.limits.low = 20")
    project.write("outer.inner.limits.high = 30")
    assert project.load(Everything).settings.outer.inner.limits == Limits(low=20, high=30)
    with pytest.raises(InvalidSetting) as caught:
        project.load(Everything, flags=["outer.inner.limits.high=10"])
    assert "low is above high" in caught.value.message
    assert "outer.inner.limits" in caught.value.message
    project.write_user("")
    project.write("")
    with pytest.raises(InvalidSetting, match="^--config outer.inner.limits.high=-1: ") as caught:
        project.load(Everything, flags=["outer.inner.limits.high=-1"])
    assert "low is above high" in caught.value.message


def test_required_setting_is_reported(project: Project):
    class Model(Section):
        token: str

    with pytest.raises(InvalidSetting, match="^token is missing$") as caught:
        project.load(Model)
    assert "token" in caught.value.hint
    assert project.load(Model, flags=["token=x"]).settings.token == "x"


def test_entry_without_a_key_has_its_place(project: Project):
    project.write("[profiles.slow]\nmodel = 'm'\n[profiles.fast]\neffort = 'high'")
    with pytest.raises(InvalidSetting) as caught:
        project.load(Everything)
    assert caught.value.message == "attractor.toml:4: profiles.fast.model is missing"


def test_errors_of_all_sources_are_in_order(project: Project):
    project.write_user("[broken")
    project.write("[output]\nz = 1\ncolor = 3\n[doctor]\nmin_free_mb = -1\n[a]")
    environ = {"ATTRACTOR_ZZZ": "1"}
    with pytest.raises(SeveralMistakes) as caught:
        project.load(Settings, environ=environ, flags=["runs_dir", "q=1"])
    places = [one.origin.describe() for one in caught.value.mistakes if one.origin]
    assert places == [
        f"{project.user_file}:1:8",
        "attractor.toml:2",
        "attractor.toml:3",
        "attractor.toml:5",
        "attractor.toml:6",
        "ATTRACTOR_ZZZ",
        "--config runs_dir",
        "--config q=1",
    ]
    assert len(caught.value.message.splitlines()) == len(places)


def test_files_are_named_relative_or_absolute(project: Project):
    project.write("x = 1 1")
    with pytest.raises(BrokenFile, match="^attractor.toml:1:7: "):
        project.load(Settings)
    with pytest.raises(BrokenFile, match=f"^{project.root}/attractor.toml:1:7: "):
        project.load(Settings, cwd=project.cwd)


def test_the_configuration_of_a_pipeline_is_that_of_its_project(project: Project):
    (project.root / "pipelines").mkdir()
    project.write("output.color = 'never'")
    configuration = load_configuration(
        start=Path("../project/pipelines/a.dot"),
        cwd=project.cwd,
        environ={"ATTRACTOR_STATE_DIR": "state"},
        user_file=project.user_file,
    )
    assert configuration.root == project.root.resolve()
    assert configuration.settings.output.color == "never"
    assert configuration.settings.runs_dir == configuration.root / "runs"
    assert configuration.settings.state_dir == project.cwd / "state"
    assert configuration.origin("state_dir") == Origin(OriginKind.VARIABLE, "ATTRACTOR_STATE_DIR")


BASE = Path("/base")
PROJECT = Origin(OriginKind.PROJECT, "attractor.toml")
VARIABLE = Origin(OriginKind.VARIABLE, "ATTRACTOR_SWITCH")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*Everything.model_fields, "low", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


def test_values_and_errors_are_separated_and_sorted() -> None:
    values = {"runs_dir": "r", "output": {"color": "never", "x": 1}}
    found, mistakes = check(Source(PROJECT, BASE, values), Settings, home="")
    assert {one.path: one.value for one in found} == {
        ("runs_dir",): BASE / "r",
        ("output", "color"): "never",
    }
    assert [type(mistake) for mistake in mistakes] == [UnknownSetting]
    source = Source(PROJECT, BASE, {"a": 1, "b": 1, "c": 1}, "b = 1\nc = 1\na = 1\n")
    _, mistakes = check(source, Settings, home="")
    assert [one.origin.line for one in mistakes if one.origin] == [1, 2, 3]


@table("text", ["true", "1", "on"])
def test_only_text_sources_are_converted(text: str):
    [switch], _ = check(Source(VARIABLE, BASE, {"switch": text}), Everything, home="")
    assert switch.value is True
    _, [mistake] = check(Source(PROJECT, BASE, {"switch": text}), Everything, home="")
    assert "switch" in mistake.message


@settings(max_examples=count(ci=30, full=2000), deadline=None)
@given(
    st.dictionaries(st.sampled_from([*Everything.model_fields, "x"]), VALUES, max_size=3),
    st.sampled_from([PROJECT, VARIABLE]),
)
def test_every_value_is_valid_or_an_error(values: dict[str, object], origin: Origin):
    found, mistakes = check(Source(origin, BASE, values), Everything, home="/home/me")
    assert {one.path[0] for one in found} <= set(values)
    assert all(len(mistake.message.splitlines()) == 1 for mistake in mistakes)
    assert bool(found or mistakes) == bool(values)
