"""Prepares a run from the options and inputs of a command."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial, wraps
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from attractor.base.durations import parse_duration
from attractor.base.errors import AttractorError, ExitCode, NotCanonical, UsageError
from attractor.base.json import parse_json
from attractor.base.toml import InvalidToml, parse_toml
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import ProgressLine
from attractor.cli.runs.fleet import trials_in_pool
from attractor.cli.shell_completion import complete_models, complete_profiles, complete_suites
from attractor.engine.budgets import Budgets
from attractor.engine.questions.call_rules import PermissionMode, require_permissions
from attractor.engine.storage.json_files import describe_fault
from attractor.factory.open_project import OpenProject
from attractor.interviewers.registry import INTERVIEWERS, placed_name
from attractor.pipeline.project.console import PARK, Console, Observer
from attractor.pipeline.project.machine import Machine
from attractor.pipeline.project.project import Project, project_from
from attractor.records.request import Overrides

if TYPE_CHECKING:
    from attractor.pipeline.plan.run_plan import AwaitTurn

_VARIABLE, _FILE = "@env:", "@file:"


_FORM = 'write a table of texts, numbers and true or false: {"ticket": "A-1"}, or ticket = "A-1"'


def read_inputs(
    pairs: Iterable[str], file: Path | None, *, environ: Mapping[str, str] | None = None
) -> Mapping[str, str]:
    """Return inputs by name; pairs override the file."""
    inputs = dict(read_inputs_file(file)) if file else {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise UsageError(f"invalid input {pair!r}", hint="write --input NAME=VALUE")
        inputs[name] = _value(name, value, environ or {})
    return inputs


def _value(name: str, written: str, environ: Mapping[str, str]) -> str:
    """Return an input value: a literal value, the value of a variable, or the content of a file."""
    if written.startswith((f"@{_VARIABLE}", f"@{_FILE}")):
        return written.removeprefix("@")
    if written.startswith(_VARIABLE):
        variable = written.removeprefix(_VARIABLE)
        if not environ.get(variable):
            message = f"input {name}: the variable {variable} is not set"
            raise UsageError(message, hint=f"set it before the command: export {variable}=...")
        return environ[variable]
    return _content(name, written) if written.startswith(_FILE) else written


def _content(name: str, written: str) -> str:
    """Return the content of a file without the last newline."""
    file = Path(written.removeprefix(_FILE))
    try:
        return file.read_bytes().decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except OSError as cause:
        message = cause.strerror or str(cause)
        raise UsageError(
            f"cannot read input {name}: {file}: {message}", hint="pass a readable file"
        ) from cause
    except UnicodeDecodeError as cause:
        message = f"input {name}: {file} is not UTF-8"
        raise UsageError(message, hint="save it as UTF-8") from cause


def read_inputs_file(file: Path) -> Mapping[str, str]:
    """Read inputs from a JSON or TOML file, by its extension."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
        table: object = parse_toml(text) if file.suffix == ".toml" else parse_json(text)
    except OSError as cause:
        message = cause.strerror or str(cause)
        raise UsageError(
            f"cannot read {file}: {message}", hint="pass a JSON or TOML file"
        ) from cause
    except InvalidToml as cause:
        raise UsageError(cause.at(str(file)), hint=cause.hint or _FORM) from cause
    except (NotCanonical, ValueError, RecursionError) as cause:
        form = "TOML" if file.suffix == ".toml" else "JSON"
        message = f"invalid inputs in {file}: it {describe_fault(cause, form=form)}"
        raise UsageError(message, hint=_FORM) from cause
    match table:
        case dict():
            return {str(name): _text(str(name), value, file) for name, value in table.items()}
        case _:
            raise UsageError(f"invalid inputs in {file}: not a table", hint=_FORM)


def _text(name: str, value: object, file: Path) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            raise UsageError(f"{file}: input {name} is not a single value", hint=_FORM)


def opened_of(
    invocation: Invocation,
    *,
    observer: Observer | None = None,
    output: TextIO | None = None,
    quiet: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> OpenProject:
    """Open the project of this command.

    Messages go to standard error, and questions to `output` (default: standard error). If the runs
    of the project were removed, a message says so.
    """
    machine = Machine(
        state_dir=invocation.configuration.settings.state_dir,
        environ=invocation.environ,
        adopts_orphans=invocation.owns_process,
    )
    progress = ProgressLine(invocation.environ)
    console = Console(
        # Python has no stdin if it is closed.
        input=sys.stdin or StringIO(),
        output=output or sys.stderr,
        observer=observer,
        quiet=quiet,
        interviewer="console" if invocation.has_terminal else PARK,
        tell=progress.tell,
        progress=progress.show,
    )
    project = project_from(invocation.configuration, machine=machine, console=console)
    has_pool = bool(invocation.configuration.settings.fleet.sealed_store)
    opened = OpenProject(project, partial(trials_in_pool, invocation) if has_pool else None)
    # The commands that need the records report their faults.
    with suppress(AttractorError):
        if notice := opened.identity.notice(opened.ledger):
            console.tell(notice)
    return opened


def turn_of(opened: OpenProject) -> "AwaitTurn | None":
    """Return the wait of a new run for other work on its files; None if the settings have none."""
    if opened.project.worlds.overlap != "wait":
        return None
    # Imported here, because most projects have no actors.
    from attractor.worlds.touches import await_turn

    return partial(await_turn, opened)


def project_of(invocation: Invocation) -> Project:
    """Return the project of this command, for commands that need no records of the factory."""
    return opened_of(invocation).project


class Amount(click.FloatRange):
    """A finite number; click's ranges accept `nan` and `inf`."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; refuse one that is not finite."""
        number = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


F = TypeVar("F", bound=Callable[..., Any])

max_duration_option = click.option(
    "--max-duration",
    default="",
    metavar="DURATION",
    help="Stop the run after this working time, such as 2h; a stopped run can be resumed.",
)
_OPTIONS = (
    click.option(
        "--max-cost-usd",
        type=Amount(min=0),
        help="Stop the run at this cost; a stopped run can be resumed.",
    ),
    click.option(
        "--max-tokens",
        type=click.IntRange(min=1),
        help="Stop the run at this many tokens; a stopped run can be resumed.",
    ),
    max_duration_option,
)


def budget_options(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Add the budget options to a command, which gets the values as `budgets`."""

    @wraps(command)
    def with_budgets(
        *, max_cost_usd: float | None, max_tokens: int | None, max_duration: str, **options: Any
    ) -> ExitCode:
        return command(budgets=budgets_of(max_cost_usd, max_tokens, max_duration), **options)

    wrapped: Callable[..., ExitCode] = with_budgets
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def budgets_of(max_cost_usd: float | None, max_tokens: int | None, max_duration: str) -> Budgets:
    """Return the budgets that the options set."""
    duration = parse_duration(max_duration) if max_duration else None
    if duration is not None and not duration:
        raise UsageError("invalid --max-duration 0", hint="write a duration such as 2h")
    return Budgets(max_cost_usd, max_tokens, duration)


_PERMISSION_OPTIONS = (
    click.option(
        "--permissions",
        "mode",
        type=click.Choice([mode.value for mode in PermissionMode]),
        default=PermissionMode.SANDBOX.value,
        show_default=True,
        help="Limit tool calls by the sandbox alone, or also ask a person before them.",
    ),
    click.option(
        "--allow",
        multiple=True,
        metavar="RULE",
        help="Allow these calls without a question, such as 'Bash(pytest *)'. May be repeated.",
    ),
    click.option(
        "--deny",
        multiple=True,
        metavar="RULE",
        help="Refuse these calls, such as 'Edit(docs/*)'. May be repeated.",
    ),
)


def permission_options(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Add the options about tool calls to a command, which gets the values as `permissions`."""

    @wraps(command)
    def with_permissions(
        *, mode: str, allow: tuple[str, ...], deny: tuple[str, ...], **options: Any
    ) -> ExitCode:
        chosen = require_permissions(PermissionMode(mode), allow, deny)
        return command(permissions=chosen if chosen.asks else None, **options)

    wrapped: Callable[..., ExitCode] = with_permissions
    for option in reversed(_PERMISSION_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


Wrap = Callable[[Callable[..., ExitCode]], Callable[..., ExitCode]]
INPUT_FORMS = "NAME=VALUE, NAME=@env:VARIABLE or NAME=@file:FILE"

interviewer_option = click.option(
    "--interviewer", default="", help=f"Answer human gates with: {INTERVIEWERS}."
)


def input_option(help: str) -> Wrap:
    """Return a decorator that adds `--input`, which may be repeated, with this help text."""
    return click.option("--input", "pairs", multiple=True, metavar="NAME=VALUE", help=help)


def sandbox_option(purpose: str = "Run tools") -> Wrap:
    """Return a decorator that adds `--sandbox`, the sandbox for a purpose."""
    words = f"{purpose} in this sandbox: auto, bubblewrap, landlock or none."
    return click.option("--sandbox", default="auto", show_default=True, help=words)


place_option = click.option(
    "--place",
    default="",
    metavar="NAME",
    help="Let stages work in this place of the settings, such as a host over SSH; this machine "
    "judges (default: this machine).",
)


def refuse_on_pool(place: str) -> None:
    """Refuse a place for a run of the fleet, whose workers have places of their own."""
    if place:
        raise UsageError(
            "--place cannot be combined with a pool: workers of the fleet do not know your places",
            hint="remove one of both",
        )


def judge_options(suite: str, profile: str) -> Wrap:
    """Return a decorator that adds `--suite` and `--profile` with these help texts."""
    judged = click.option(
        "--suite", default="", shell_complete=complete_suites, metavar="S[@V]", help=suite
    )
    by = click.option(
        "--profile", default="", shell_complete=complete_profiles, metavar="P[@R]", help=profile
    )
    return lambda command: judged(by(command))


def _override_options(goal: str, inputs: str) -> Sequence[Wrap]:
    """Return the options that change how a run continues, with the help of two of them."""
    return (
        interviewer_option,
        budget_options,
        click.option("--goal", default="", help=goal),
        input_option(f"{inputs}: {INPUT_FORMS}."),
        click.option(
            "--evaluate/--no-evaluate",
            "evaluate",
            default=None,
            help="Evaluate the result, or skip the evaluation (default: as before).",
        ),
        click.option(
            "--wait-for-limits/--no-wait-for-limits",
            "waits_for_limits",
            default=None,
            help="Wait while the account of a model has reached a limit, or stop the run; the "
            "limit of an outside program then fails its stage (default: as before).",
        ),
    )


def model_options(model: str, provider: str = "Use this provider.") -> Wrap:
    """Return a decorator that adds `--model` and `--provider` with these help texts."""
    named = click.option("--model", default="", shell_complete=complete_models, help=model)
    of = click.option("--provider", default="", help=provider)
    return lambda command: named(of(command))


chosen_model_options = model_options(
    "Use this model (default: llm.model, otherwise the newest model of the only provider "
    "with a key)."
)
node_model_options = model_options(
    "Use this model for nodes without one.", "Use this provider for nodes without one."
)


def override_options(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Add options that change how a run continues; the command gets the values as `overrides`."""
    goal = "Pass the goal again if it contains a secret: secrets are not stored."
    return _overriding(command, _override_options(goal, "Pass a secret input again"))


def change_options(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Add those options, with another goal and other inputs, to a command that starts a new run."""
    goal = "Use this goal (default: as before); pass one with a secret again."
    inputs = "Use this input (default: as before); pass a secret one again"
    return _overriding(command, _override_options(goal, inputs))


def _overriding(command: Callable[..., ExitCode], added: Sequence[Wrap]) -> Callable[..., ExitCode]:

    @wraps(command)
    def with_overrides(
        *,
        interviewer: str,
        budgets: Budgets,
        goal: str,
        pairs: tuple[str, ...],
        evaluate: bool | None,
        waits_for_limits: bool | None,
        **options: Any,
    ) -> ExitCode:
        invocation: Invocation = click.get_current_context().obj
        overrides = Overrides(
            interviewer=placed_name(interviewer, invocation.folder),
            budgets=budgets,
            goal=goal,
            inputs=read_inputs(pairs, None, environ=invocation.environ),
            evaluate=evaluate,
            waits_for_limits=waits_for_limits,
        )
        return command(overrides=overrides, **options)

    wrapped: Callable[..., ExitCode] = with_overrides
    for option in reversed(added):
        wrapped = option(wrapped)
    return wrapped
