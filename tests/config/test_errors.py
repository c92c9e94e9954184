from enum import StrEnum
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode, UsageError
from attractor.config.configuration import Origin, OriginKind
from attractor.config.errors import (
    BrokenFile,
    ConfigError,
    InvalidSetting,
    SeveralMistakes,
    UnknownSetting,
    raise_mistakes,
    shown_value,
)
from attractor.config.settings import Settings
from attractor.config.tables import Shape
from tests.config.models import Everything
from tests.config.project import Project
from tests.tables import table

PLACE = Origin(OriginKind.PROJECT, "attractor.toml", 3)


@table("kind", [BrokenFile, UnknownSetting, InvalidSetting])
def test_errors_exit_with_2_and_start_with_their_place(kind: type[ConfigError]):
    mistake = kind("it is wrong", origin=PLACE)
    assert isinstance(mistake, UsageError)
    assert mistake.exit_code is ExitCode.USAGE
    assert mistake.message == "attractor.toml:3: it is wrong"


def test_default_message_is_the_docstring_of_the_error():
    assert UnknownSetting(origin=PLACE).message == "attractor.toml:3: This setting is unknown"
    assert UnknownSetting().message == "This setting is unknown"


def test_errors_are_raised_together() -> None:
    assert raised([]) == []
    assert len(raised([UnknownSetting("x")])) == 1
    mistake = UnknownSetting("x")
    with pytest.raises(UnknownSetting) as caught:
        raise_mistakes([mistake])
    assert caught.value is mistake
    mistakes = [UnknownSetting("a", hint="did you mean b?"), InvalidSetting("c"), BrokenFile("d")]
    with pytest.raises(SeveralMistakes) as caught:
        raise_mistakes(mistakes)
    assert caught.value.message.splitlines() == ["a (did you mean b?)", "c", "d"]
    assert caught.value.mistakes == tuple(mistakes)
    assert caught.value.exit_code is ExitCode.USAGE
    mistakes = [UnknownSetting(f"number {number}") for number in range(25)]
    lines = SeveralMistakes(mistakes).message.splitlines()
    assert len(lines) == 11
    assert "number 9" in lines[9]
    assert lines[10] == "and 15 more"


def raised(mistakes: list[ConfigError]) -> list[ConfigError]:
    try:
        raise_mistakes(mistakes)
    except ConfigError as mistake:
        return [mistake]
    return []


def mistake(
    project: Project,
    model: type[Shape] = Settings,
    *,
    text: str = "",
    flag: str = "",
    **environ: str,
) -> ConfigError:
    """Return the only error in a project file, a flag or a variable."""
    project.write(text)
    with pytest.raises((UnknownSetting, InvalidSetting)) as caught:
        project.load(model, environ=environ, flags=[flag] if flag else [])
    assert len(caught.value.message.splitlines()) == 1
    assert len(caught.value.hint.splitlines()) <= 1
    return caught.value


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "\n[output]\ncolour = 'never'",
            "attractor.toml:3: unknown setting output.colour",
            "did you mean output.color?",
        ),
        (
            "[ouput]\ncolor = 'never'",
            "attractor.toml:1: unknown setting ouput",
            "did you mean output?",
        ),
        (
            "color = 'never'",
            "attractor.toml:1: unknown setting color",
            "did you mean output.color?",
        ),
        (
            "[output]\nruns_dir = 'r'",
            "attractor.toml:2: unknown setting output.runs_dir",
            "did you mean runs_dir?",
        ),
        (
            "[output]\n\n'new\\nline' = 1",
            'attractor.toml:3: unknown setting output."new\\\\nline"',
            "known: output.color",
        ),
        (
            "zzz = 1",
            "attractor.toml:1: unknown setting zzz",
            "known: state_dir, runs_dir, workspaces_dir, output, doctor, workspace, caches, "
            "sandbox, worlds, missions, memory, places, tracing, notify, llm, backends, agent, "
            "factory, pull_request, growth, fleet, server, rules",
        ),
    ],
)
def test_unknown_key_has_place_and_suggestion(project: Project, text: str, message: str, hint: str):
    error = mistake(project, text=text)
    assert isinstance(error, UnknownSetting)
    assert (error.message, error.hint) == (message, hint)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ATTRACTOR_OUTPUT__COLOUR", "did you mean ATTRACTOR_OUTPUT__COLOR?"),
        ("ATTRACTOR_OUTPUT_COLOR", "did you mean ATTRACTOR_OUTPUT__COLOR?"),
        ("ATTRACTOR_STATEDIR", "did you mean ATTRACTOR_STATE_DIR?"),
        ("ATTRACTOR_Runs_Dir", "did you mean ATTRACTOR_RUNS_DIR?"),
        ("ATTRACTOR_ZZZ", "known: ATTRACTOR_STATE_DIR, ATTRACTOR_RUNS_DIR, "),
        ("ATTRACTOR_", "known: "),
    ],
)
def test_unknown_variable_suggests_a_variable(project: Project, name: str, hint: str):
    with pytest.raises(ConfigError) as caught:
        project.load(Settings, environ={name: "x"})
    error = caught.value
    assert isinstance(error, UnknownSetting)
    assert error.message.startswith(f"{name}: unknown setting ")
    assert error.hint.startswith(hint)


def test_unknown_flag_suggests_a_key(project: Project):
    error = mistake(project, flag="output.colour=never")
    assert error.message == "--config output.colour=never: unknown setting output.colour"
    assert error.hint == "did you mean output.color?"


def test_wrong_choice_lists_the_choices(project: Project) -> None:
    error = mistake(project, text="[output]\ncolor = 'alway'")
    assert isinstance(error, InvalidSetting)
    assert error.message == (
        "attractor.toml:2: output.color = 'alway' should be 'auto', 'always' or 'never'"
    )
    assert error.hint == "did you mean always?"
    error = mistake(project, text="[output]\ncolor = 'xyz'")
    assert "'auto', 'always' or 'never'" in error.message
    assert "did you mean" not in error.hint
    error = mistake(project, Everything, ATTRACTOR_OUTER__TONE="lout")
    assert "'plain' or 'loud'" in error.message
    assert error.hint == "did you mean loud?"


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("[doctor]\nmin_free_mb = true", "2: doctor.min_free_mb = true should be a valid integer"),
        ("[doctor]\nmin_free_mb = '5'", "2: doctor.min_free_mb = '5' should be a valid integer"),
        ("[doctor]\nmin_free_mb = 5.0", "2: doctor.min_free_mb = 5.0 should be a valid integer"),
        ("[doctor]\nmin_free_mb = 1979-05-27", "2: doctor.min_free_mb = "),
        ("[doctor]\nmin_free_mb = -1", "2: doctor.min_free_mb = -1 should be greater than or"),
        ("[doctor]\nmin_free_mb = nan", "2: doctor.min_free_mb = nan should be"),
        ("[runs_dir]\nx = 1", "1: runs_dir = {'x': 1} should be"),
        ("runs_dir = 5", "1: runs_dir = 5 should be"),
        ("runs_dir = ''", "1: runs_dir = '': empty path"),
        ("runs_dir = '~bob/x'", "1: runs_dir = '~bob/x': only ~ itself"),
        ('runs_dir = "a\\u0000b"', "1: runs_dir = 'a\\x00b': invalid path: it contains a NUL"),
        ("runs_dir = '''\na\nb\n'''\noutput = 'x'", "5: output = 'x' should be a table"),
        ("output = 'never'", "1: output = 'never' should be a table"),
        ("[[output]]\ncolor = 'never'", "1: output = [{'color': 'never'}] should be a table"),
    ],
)
def test_value_of_a_wrong_type_has_its_line(project: Project, text: str, subject: str):
    error = mistake(project, text=text)
    assert isinstance(error, InvalidSetting)
    assert error.message.startswith(f"attractor.toml:{subject}")
    assert error.hint


def test_sections_and_lists_given_as_text_have_a_hint(project: Project) -> None:
    assert mistake(project, text="output = 'never'").hint == "set output.color"
    assert mistake(project, ATTRACTOR_OUTPUT="never").hint == "set output.color"
    assert mistake(project, Everything, flag="words=a,b").hint == 'write a list, such as ["a", "b"]'
    error = mistake(project, text=f"runs_dir = {'[' * 300}{']' * 300}")
    assert error.message.startswith("attractor.toml:1: runs_dir = [[")


@pytest.mark.parametrize(
    ("value", "wrong"), [("abc", "'abc'"), ("-1", "'-1'"), ("1.5", "'1.5'"), ("[1]", "[1]")]
)
def test_unconvertible_texts_are_refused(project: Project, value: str, wrong: str):
    error = mistake(project, ATTRACTOR_DOCTOR__MIN_FREE_MB=value)
    assert error.message.startswith(
        f"ATTRACTOR_DOCTOR__MIN_FREE_MB: doctor.min_free_mb = {wrong} should be "
    )


HOOKS = "[[hooks]]\ncommand = 'a'\n[[hooks]]\ncommand = 'b'\n"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("comand = 'c'", "5: unknown setting hooks[1].comand", "did you mean hooks[1].command?"),
        (
            "on = ['start', 'ends']",
            "5: hooks[1].on[1] = 'ends' should be 'start' or 'end'",
            "did you mean end?",
        ),
        ("[[hooks]]", "5: hooks[2].command is missing", "set hooks[2].command"),
        ("mounts = {a = 1}", "5: hooks[1].mounts.a = 1 should be a valid string", 'quotes: "1"'),
        ("folder = '~bob'", "1: hooks = [", "fix"),
    ],
)
def test_mistakes_within_a_list_of_tables_are_found_by_line_and_index(
    project: Project, text: str, message: str, hint: str
):
    error = mistake(project, Everything, text=HOOKS + text)
    assert error.message.startswith(f"attractor.toml:{message}")
    assert hint in error.hint


def test_mistakes_inside_tables_and_unions(project: Project) -> None:
    error = mistake(project, Everything, text="[profiles.p]\nmodel = 'm'\neffor = 'low'")
    assert error.message == "attractor.toml:3: unknown setting profiles.p.effor"
    assert error.hint == "did you mean profiles.p.effort?"
    error = mistake(project, Everything, text="[one_hook]\ncommand = 'a'\ncomand = 'b'")
    assert error.message == "attractor.toml:3: unknown setting one_hook.comand"
    assert error.hint == "did you mean one_hook.command?"
    error = mistake(project, Everything, text="hooks = [5]")
    assert error.message == "attractor.toml:1: hooks[0] = 5 should be a table"
    error = mistake(project, Everything, text="\nnote = 'help!'")
    assert error.message.startswith("attractor.toml:2: note = 'help!': do not")
    assert error.message.endswith("shout")
    assert mistake(project, text="output.color = 1").cause is not None
    assert mistake(project, text="runs_dir = ''").cause is not None


def test_unions_name_no_members_and_no_keys(project: Project) -> None:
    project.write("either = ['x']")
    with pytest.raises(ConfigError) as caught:
        project.load(Everything)
    assert "either[0] = 'x' should be" in caught.value.message
    assert "list[int]" not in caught.value.message
    project.write("mixed = {command = 'a', comand = 'b'}")
    with pytest.raises(ConfigError) as caught:
        project.load(Everything)
    assert "attractor.toml:1: unknown setting mixed.comand" in caught.value.message.splitlines()


class Side(StrEnum):
    LEFT = "left"


@table(
    ("value", "words"),
    [
        (True, "true"),
        (None, "none"),
        (5, "5"),
        ("a\nb", "'a\\nb'"),
        ("\udcff", "'\\udcff'"),
        (Path("/a b"), "'/a b'"),
        (Side.LEFT, "'left'"),
    ],
)
def test_values_are_shown_like_toml(value: object, words: str):
    assert shown_value(value) == words


def test_long_values_are_shortened():
    assert len(shown_value("x" * 1000)) < 80
    assert len(shown_value(["x" * 1000] * 1000)) < 500
