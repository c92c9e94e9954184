"""The commands that profiles, suites and pipelines share: list versions, and end versions."""

from collections.abc import Callable

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option, reason_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import opened_of
from attractor.cli.shell_completion import complete_pipelines, complete_profiles, complete_suites
from attractor.factory.resources.ending import end_versions
from attractor.factory.resources.versions import (
    LEFT_OUT,
    Ending,
    ResourceKind,
    Version,
    cheat_words,
)
from attractor.scenarios.wall.unit_tests import left_out_words

_COMPLETE = {
    ResourceKind.PROFILE: complete_profiles,
    ResourceKind.SUITE: complete_suites,
    ResourceKind.PIPELINE: complete_pipelines,
}


def list_command(kind: ResourceKind, help: str) -> click.Command:
    """Return the command that lists the versions of all resources of a kind."""

    @click.command("list", help=help)
    @json_option
    @click.pass_obj
    def list_versions(invocation: Invocation, as_json: bool) -> ExitCode:
        versions = [
            version
            for store in [opened_of(invocation).of_kind(kind)]
            for name in store.names()
            for version in store.versions(name)
        ]
        words = "\n".join(map(version_line, versions)) or f"no {kind} is registered"
        return show_result([version.to_record() for version in versions], words, as_json=as_json)

    list_versions.__doc__ = help
    return list_versions


def end_command(kind: ResourceKind, how: str, name: str, help: str) -> click.Command:
    """Return the command after which no new run can use a version."""

    @click.command(name, help=help)
    @click.argument("reference", metavar="NAME[@VERSION]", shell_complete=_COMPLETE[kind])
    @reason_option("Record this reason.", required=True)
    @json_option
    @click.pass_obj
    def end(invocation: Invocation, reference: str, reason: str, as_json: bool) -> ExitCode:
        opened = opened_of(invocation)
        store = opened.of_kind(kind)
        ending = Ending(how, opened.now(), operator_name(invocation), reason)
        ended = end_versions(store, reference, ending)
        return show_result(
            [one.to_record() for one in ended], *map(version_line, ended), as_json=as_json
        )

    end.__doc__ = help
    return end


def example_option(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Add `--example`, which is given twice or more."""
    return click.option(
        "--example",
        "examples",
        multiple=True,
        metavar="'COMMAND => OUTPUT'",
        help="Judge results by this example; give two or more. Agents see the first one only.",
    )(command)


def version_line(version: Version) -> str:
    """Return a version in one line."""
    ending = version.ending
    end = f", {ending.how} by {ending.by}: {ending.reason}" if ending else ""
    left = version.data.get(LEFT_OUT)
    without = f", {left_out_words(int(str(left)))}" if left else ""
    tried = f", {cheat_words(version)}" if version.kind is ResourceKind.SUITE and not end else ""
    return f"{version}: registered {version.registered.date()} by {version.by}{tried}{without}{end}"
