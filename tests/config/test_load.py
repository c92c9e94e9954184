from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.base.toml import KeyPath
from attractor.config.errors import BrokenFile, InvalidSetting, SeveralMistakes, UnknownSetting
from attractor.config.load import check, load_configuration
from attractor.config.schema import Origin, OriginKind
from attractor.config.settings import Section, Settings
from attractor.config.sources import Source
from attractor.config.user_folders import default_state_dir
from tests.config.models import Everything, Hook, Limits, Profile, Tone
from tests.config.project import Project
from tests.counts import count


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


def test_layers_are_merged_value_by_value(project: Project):
    project.write_user("[output]\ncolor = 'never'\n[doctor]\nmin_free_mb = 1")
    project.write("[doctor]\nmin_free_mb = 2")
    settings = project.load(Settings, flags=["runs_dir=r"]).settings
    assert (settings.output.color, settings.doctor.min_free_mb) == ("never", 2)


def test_a_later_flag_wins_over_an_earlier_one(project: Project):
    flags = ["output.color=never", "output={color='auto'}", "output.color=always"]
    assert project.load(Settings, flags=flags).settings.output.color == "always"


def test_empty_variable_sets_nothing(project: Project):
    project.write("output.color = 'never'")
    configuration = project.load(Settings, environ={"ATTRACTOR_OUTPUT__COLOR": ""})
    assert configuration.origin("output.color").describe() == "attractor.toml:1"


def test_a_variable_for_a_setting_wins_over_one_for_its_section(project: Project):
    environ = {
        "ATTRACTOR_OUTPUT__COLOR": "never",
        "ATTRACTOR_OUTPUT": "{color = 'always'}",
    }
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


def test_empty_table_removes_nothing(project: Project):
    project.write_user("aliases.a = 'b'")
    project.write("aliases = {}\n[outer]\n")
    configuration = project.load(Everything, flags=["outer={}"])
    assert configuration.settings.aliases == {"a": "b"}
    assert configuration.settings.outer.tone is Tone.PLAIN


def test_lists_are_replaced_as_a_whole(project: Project):
    project.write_user("words = ['a', 'b']")
    project.write("words = ['c']")
    assert project.load(Everything).settings.words == ["c"]


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


def test_a_rule_of_a_section_sees_the_merged_values(project: Project):
    project.write_user("outer.inner.limits.low = 20")
    project.write("outer.inner.limits.high = 30")
    assert project.load(Everything).settings.outer.inner.limits == Limits(low=20, high=30)
    with pytest.raises(InvalidSetting) as caught:
        project.load(Everything, flags=["outer.inner.limits.high=10"])
    assert "low is above high" in caught.value.message
    assert "outer.inner.limits" in caught.value.message


def test_a_broken_rule_of_a_section_names_what_was_set_in_it(project: Project):
    with pytest.raises(InvalidSetting, match="^--config outer.inner.limits.high=-1: ") as caught:
        project.load(Everything, flags=["outer.inner.limits.high=-1"])
    assert "low is above high" in caught.value.message


def test_keys_of_a_free_table_may_be_numbers(project: Project):
    project.write("[ports]\n5 = 'five'")
    configuration = project.load(Everything)
    assert configuration.settings.ports == {1: "one", 5: "five"}
    assert configuration.origin("ports.5").describe() == "attractor.toml:2"


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


def test_a_users_file_named_from_the_current_folder_is_found_from_there(project: Project):
    project.write_user("runs_dir = 'r'")
    user_file = Path("../home/config.toml")
    configuration = load_configuration(
        start=project.root, cwd=project.cwd, environ={}, user_file=user_file
    )
    assert configuration.settings.runs_dir == project.cwd / "../home/r"


def test_loading_writes_nothing(project: Project):
    before = sorted(project.root.parent.rglob("*"))
    project.load(Settings)
    assert sorted(project.root.parent.rglob("*")) == before


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


def test_values_and_errors_are_separated():
    values = {"runs_dir": "r", "output": {"color": "never", "x": 1}}
    found, mistakes = check(Source(PROJECT, BASE, values), Settings, home="")
    assert {one.path: one.value for one in found} == {
        ("runs_dir",): BASE / "r",
        ("output", "color"): "never",
    }
    assert [type(mistake) for mistake in mistakes] == [UnknownSetting]


def test_errors_are_sorted_by_line():
    lines: dict[KeyPath, int] = {("a",): 3, ("b",): 1, ("c",): 2}
    source = Source(PROJECT, BASE, {"a": 1, "b": 1, "c": 1}, lines)
    _, mistakes = check(source, Settings, home="")
    assert [one.origin.line for one in mistakes if one.origin] == [1, 2, 3]


@pytest.mark.parametrize("text", ["true", "1", "on"])
def test_only_text_sources_are_converted(text: str):
    [switch], _ = check(Source(VARIABLE, BASE, {"switch": text}), Everything, home="")
    assert switch.value is True
    _, [mistake] = check(Source(PROJECT, BASE, {"switch": text}), Everything, home="")
    assert "switch" in mistake.message


@settings(max_examples=count(ci=100, full=2000), deadline=None)
@given(
    st.dictionaries(st.sampled_from([*Everything.model_fields, "x"]), VALUES, max_size=3),
    st.sampled_from([PROJECT, VARIABLE]),
)
def test_every_value_is_valid_or_an_error(values: dict[str, object], origin: Origin):
    found, mistakes = check(Source(origin, BASE, values), Everything, home="/home/me")
    assert {one.path[0] for one in found} <= set(values)
    assert all(len(mistake.message.splitlines()) == 1 for mistake in mistakes)
    assert bool(found or mistakes) == bool(values)
