""""""

import click
import pytest
from click.testing import CliRunner

from attractor.base.errors import UnknownName, UsageError
from attractor.base.registry import Registry
from attractor.cli.invocation import FolderGroup, chosen_format
from tests.packages import Places


def test_json_option_contradicts_another_format() -> None:
    assert chosen_format(None, as_json=False) is None
    assert chosen_format("svg", as_json=False) == "svg"
    assert chosen_format(None, as_json=True) == chosen_format("json", as_json=True) == "json"
    with pytest.raises(UsageError, match="--json cannot be combined with --format svg"):
        chosen_format("svg", as_json=True)


COMMAND = '''"""Feed an animal."""
import click
@click.command()
@click.option("--debug-me", is_flag=True)
def feed(debug_me: bool) -> None:
    """Feed an animal."""
    click.echo("fed")
part = feed
'''


def build(places: Places) -> FolderGroup:
    package = places.package(doctor=COMMAND, zoo__feed=COMMAND, zoo__night__feed=COMMAND)
    return FolderGroup(Registry(package, click.Command, noun="command"), name="app", help="Help.")


def run(group: click.Group, *words: str) -> str:
    result = CliRunner().invoke(group, words)
    assert result.exception is None, result.exception
    return result.output


def test_dot_in_a_name_is_a_space_on_the_command_line(places: Places) -> None:
    group = build(places)
    assert run(group, "doctor") == run(group, "zoo", "feed") == "fed\n"
    assert run(group, "zoo", "night", "feed") == "fed\n"


def test_group_help_lists_its_commands(places: Places) -> None:
    group = build(places)
    assert "doctor  Feed an animal\n  zoo     Commands: feed, night.feed\n" in run(group, "--help")
    assert "feed   Feed an animal\n" in run(group, "zoo", "--help")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["docter"], "unknown command 'docter'", "did you mean doctor?"),
        (["zoo", "fed"], "unknown command 'zoo fed'", "did you mean zoo feed?"),
        (["xyzzy"], "unknown command 'xyzzy'", "known: doctor, zoo"),
    ],
)
def test_unknown_command_suggests_a_name(
    places: Places, words: list[str], message: str, hint: str
) -> None:
    result = CliRunner().invoke(build(places), words)
    assert isinstance(result.exception, UnknownName)
    assert (result.exception.message, result.exception.hint) == (message, hint)
