"""Registries contain every part of their folders, with a summary."""

import inspect
from typing import Any

import click

from attractor.agent.provider_profile import profile_parts
from attractor.agent.tool_calls.tool import tool_parts
from attractor.attention.source import sources
from attractor.backends.registry import backend_registry
from attractor.base.registry import Registry
from attractor.cli.commands.doctor import examination_registry
from attractor.cli.invocation import command_registry
from attractor.handlers.registry import handler_registry
from attractor.interviewers.registry import interviewer_registry
from attractor.language.drawing.draw import drawer_registry
from attractor.language.linting.lint_rule import rule_registry
from attractor.language.preparation.prepare import transform_registry
from attractor.llm.client import provider_registry
from attractor.scenarios.check import check_registry
from attractor.twins.exchange.wire import wire_registry
from attractor.twins.services.route import kind_registry
from attractor.workspaces.create.registry import workspace_registry
from tests.tables import table

REGISTRIES: list[Registry[Any]] = [
    command_registry(),
    examination_registry(),
    rule_registry(),
    transform_registry(),
    drawer_registry(),
    provider_registry(),
    tool_parts(),
    profile_parts(),
    handler_registry(),
    backend_registry(),
    interviewer_registry(),
    check_registry(),
    wire_registry(),
    kind_registry(),
    workspace_registry(),
    sources(),
]
MEMBERS = [(registry, name) for registry in REGISTRIES for name in registry]


@table("registry", REGISTRIES)
def test_a_registry_has_members(registry: Registry[Any]) -> None:
    assert list(registry)


# lsp and mcp use protocols of their own; help prints pages for people, and tui is a screen.
TALKING = frozenset({"actor.open", "lsp", "mcp", "help", "tui"})


@table(("registry", "name"), MEMBERS)
def test_part_has_its_kind_and_a_docstring(registry: Registry[Any], name: str) -> None:
    part: object = registry[name]
    assert registry.summary(name)
    assert not registry.summary(name).endswith(".")
    assert inspect.getdoc(part)


@table("name", list(command_registry()))
def test_command_summary_matches_its_help(name: str) -> None:
    command = command_registry()[name]
    first = (command.help or "").splitlines()[0].rstrip(".")
    summary = command_registry().summary(name)
    assert first.split()[0] == summary.split()[0]


SHOWING = [name for name in command_registry() if name not in TALKING]


@table("name", SHOWING)
def test_printing_commands_have_a_json_option(name: str) -> None:
    options = {option for parameter in command_registry()[name].params for option in parameter.opts}
    assert "--json" in options


def test_commands_are_commands() -> None:
    assert all(isinstance(one, click.Command) for one in command_registry().values())
