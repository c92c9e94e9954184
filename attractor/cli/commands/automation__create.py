"""Create an automation: a pipeline that starts by itself."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from attractor.automations.automation import (
    AfterPromotion,
    Automation,
    Rights,
    TicketCommand,
    default_schema,
)
from attractor.automations.records import trigger_words
from attractor.automations.schedule import CatchUp, Schedule
from attractor.automations.start import check_automation, declared_by, find_trouble
from attractor.automations.store import create_automation
from attractor.base.durations import format_duration
from attractor.base.errors import ExitCode, UsageError
from attractor.base.json import JsonObject
from attractor.base.records import read_object
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.fleet import require_extra
from attractor.cli.runs.gallery import with_test_command
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.pipelines import find_pipeline
from attractor.cli.runs.setup import (
    INPUT_FORMS,
    budget_options,
    input_option,
    judge_options,
    opened_of,
    read_inputs,
)
from attractor.config.user_folders import TOKEN_VARIABLE
from attractor.engine.budgets import Budgets
from attractor.factory.ledger.tokens import digest_of
from attractor.factory.open_project import OpenProject
from attractor.factory.operator_process import Scope
from attractor.factory.pulls.open_forge import find_forge
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.gallery import is_gallery_word
from attractor.pipeline.source.read import context_of, open_pipeline
from attractor.records.request import RunRequest

_TRIGGERS = (
    click.option("--cron", default="", metavar="'M H D M W'", help="Start at these times."),
    click.option("--zone", default="UTC", show_default=True, help="Read --cron in this time zone."),
    click.option(
        "--catch-up",
        type=click.Choice([choice.value for choice in CatchUp]),
        default=CatchUp.NONE.value,
        show_default=True,
        help="Start these of the times that came while no server was there.",
    ),
    click.option("--http", "has_http", is_flag=True, help="Start by requests; print a token once."),
    click.option(
        "--inputs-schema",
        "schema_file",
        type=click.Path(path_type=Path),
        help="Let others set these inputs, a JSON schema (default: the inputs that the pipeline "
        "declares without a default and --input does not set).",
    ),
    click.option(
        "--after-promotion-of", "of", default="", metavar="PIPELINE", help="Start after each one."
    ),
    click.option(
        "--after-promotion-to", "to", default="", metavar="BRANCH", help="Start after each one."
    ),
    click.option(
        "--tickets",
        "command",
        default="",
        metavar="COMMAND",
        help='Run COMMAND, which prints lines such as {"id": "A-1", "inputs": {}}, and start a '
        "run for each new id.",
    ),
    click.option("--every", default="5m", show_default=True, help="Run COMMAND after this time."),
    click.option(
        "--issue-label",
        default="",
        metavar="LABEL",
        help="Start for each issue of the repository to which a person with write access gave "
        "LABEL; comment the issue at the start and at the end.",
    ),
)


def _trigger_options(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    for option in reversed(_TRIGGERS):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@click.argument("pipeline", metavar="PIPELINE.dot")
@click.option("--goal", default="", help="Replace the goal of the pipeline.")
@input_option(f"Set an input: {INPUT_FORMS}.")
@judge_options("Judge runs with this suite.", "Judge runs by this profile.")
@budget_options
@click.option(
    "--on",
    "pool",
    default="",
    metavar="POOL",
    help="Let workers of this pool of the fleet execute the runs.",
)
@_trigger_options
@json_option
@click.pass_obj
def automation_create(
    invocation: Invocation,
    name: str,
    pipeline: str,
    goal: str,
    pairs: tuple[str, ...],
    suite: str,
    profile: str,
    budgets: Budgets,
    pool: str,
    as_json: bool,
    **triggers: Any,
) -> ExitCode:
    """Create an automation: a pipeline that starts by itself while 'attractor serve' runs.

    PIPELINE.dot is a file of the project, a registered version such as plan@3, or one of the
    gallery such as gallery:bug_fix, which is registered: it stays as it is. Each run has these
    inputs, these limits, and this suite and profile. An automation starts runs and never approves
    one. It cannot be changed: remove it, and create another one. If it was created with a token
    (ATTRACTOR_TOKEN), it ends with the token.
    """
    opened = opened_of(invocation)
    if pool:
        require_extra()
    schema_file: Path | None = triggers["schema_file"]
    rights, inputs = _rights_of(invocation), read_inputs(pairs, None, environ=invocation.environ)
    if is_gallery_word(pipeline):
        pipeline, inputs = _registered(pipeline, inputs, opened, by=rights.by)
    automation = Automation(
        name=name,
        project=opened.identity.create_id(),
        pipeline=_in_project(pipeline, invocation.folder, opened),
        created=opened.now(),
        rights=rights,
        goal=goal,
        inputs=inputs,
        suite=suite,
        profile=profile,
        max_cost_usd=budgets.cost_usd,
        max_tokens=budgets.tokens,
        max_duration=format_duration(budgets.duration) if budgets.duration else "",
        pool=pool,
        **_triggers_of(triggers),
    )
    declared = declared_by(automation.pipeline, opened)
    schema: JsonObject = (
        read_object(schema_file, UsageError)
        if schema_file
        else default_schema(declared, automation.inputs)
    )
    automation = replace(automation, schema=schema)
    asyncio.run(check_automation(automation, opened))
    if automation.issue_label:
        asyncio.run(find_forge(opened.project))
    token = secrets.token_urlsafe(32) if automation.has_http else ""
    create_automation(automation, opened, token)
    shown = {**automation.to_record(), **({"token": token} if token else {})}
    backend = invocation.configuration.settings.backends.default
    show_json(shown) if as_json else _show_created(automation, token, opened, backend)
    return ExitCode.DONE


def _show_created(automation: Automation, token: str, opened: OpenProject, backend: str) -> None:
    show(f"created the automation {automation.name}: {trigger_words(automation)}")
    if schedule := automation.schedule:
        next_ = schedule.next_after(automation.created).astimezone()
        show(f"  next: {next_:%Y-%m-%d %H:%M}, while 'attractor serve' runs")
    if token:
        show(f"  token, shown once: {token}")
    if trouble := asyncio.run(find_trouble(automation, opened, backend)):
        show(f"  unless 'attractor serve' has other variables, it starts nothing: {trouble}")


def _triggers_of(options: dict[str, Any]) -> dict[str, Any]:
    """Return the triggers by the names of their fields."""
    of, to, command = options["of"], options["to"], options["command"]
    zone, catch_up = options["zone"], CatchUp(options["catch_up"])
    return {
        "schedule": Schedule(options["cron"], zone, catch_up) if options["cron"] else None,
        "promotion": AfterPromotion(of, to) if of or to else None,
        "tickets": TicketCommand(command, options["every"]) if command else None,
        "issue_label": options["issue_label"],
        "has_http": options["has_http"],
    }


def _in_project(pipeline: str, folder: Path, opened: OpenProject) -> str:
    """Return the path of a pipeline file in the project; another name stays."""
    file, root = (folder / pipeline).resolve(), opened.project.root.resolve()
    return str(file.relative_to(root)) if file.exists() and file.is_relative_to(root) else pipeline


def _registered(
    word: str, inputs: Mapping[str, str], opened: OpenProject, *, by: str
) -> tuple[str, Mapping[str, str]]:
    """Register a pipeline of the gallery; return its version, and the inputs with its tests."""
    file, opened, gallery = find_pipeline(Path(word), opened)
    request = RunRequest(file=file, inputs=inputs, gallery=gallery)
    request = with_test_command(request, opened.project)
    pipeline = open_pipeline(str(file), project=context_of(RunScope.of(opened.project)))
    version, _ = opened.pipelines.register(pipeline, file, by=by, now=opened.now())
    return f"{version.name}@{version.number}", request.inputs


def _rights_of(invocation: Invocation) -> Rights:
    secret = invocation.environ.get(TOKEN_VARIABLE, "")
    by = operator_name(invocation, Scope.OPERATE)
    return Rights(by, digest_of(secret) if secret else "")


part = automation_create
