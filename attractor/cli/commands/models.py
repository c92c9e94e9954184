"""List known models with context windows, capabilities and prices, and test one."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import click

from attractor.agent.provider_profile import find_provider
from attractor.backends.model_sources import ModelSource, ModelSources
from attractor.backends.models import ModelChoice, account_of, list_catalogue
from attractor.backends.provider_needs import WITHOUT_KEY, is_provider, key_remedy
from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode, UnknownName, UsageError
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, debug_option, json_option
from attractor.cli.output.streams import show, show_result, table
from attractor.cli.shell_completion import complete_models
from attractor.engine.truncation import shorten
from attractor.factory.operator_process import refuse_in_run
from attractor.language.source.text import visible
from attractor.llm.catalogue import ModelInfo, get_model_info, shipped_catalogue
from attractor.llm.client import AGENT_TIMEOUT, Client, provider_registry
from attractor.llm.errors import SDKError
from attractor.llm.messages import Message
from attractor.llm.request import Request
from attractor.llm.response import Response, cost_of

UNKNOWN = "unknown"
_HEADING = ("model", "provider", "window", "output", "can", "$ in", "$ cached", "$ out")
_LONGEST_ANSWER = 200
_LONGEST_TRIAL = 80


def models_text(models: Sequence[ModelInfo], *, others: int) -> str:
    """Return a table of models, followed by the number of unlisted providers."""
    return "\n".join([*table([_HEADING, *map(_row, models)]), "", *_legend(others)])


def trial_text(trial: "Trial") -> str:
    """Return the result of a model test as text."""
    usage, choice = trial.response.usage, trial.choice
    by = trial.response.model
    as_whom = f", as {by}," if by != choice.model else ""
    answer = visible(shorten(trial.response.text.strip(), _LONGEST_ANSWER))
    cached = f", {usage.cache_read_tokens} from the cache" if usage.cache_read_tokens else ""
    cost = UNKNOWN if trial.cost_usd is None else f"${trial.cost_usd:.6f}"
    return "\n".join(
        [
            f"{choice.model} of {choice.provider}{as_whom} answered: {answer}",
            f"time    {trial.seconds:.2f} s",
            f"tokens  {usage.input_tokens} in{cached}, {usage.output_tokens} out",
            f"cost    {cost}",
        ]
    )


def sources_of(invocation: Invocation) -> ModelSources:
    """Return the finder of this machine's ways to models."""
    return ModelSources(invocation.configuration.settings.state_dir, invocation.environ)


def sources_text(sources: Sequence[ModelSource]) -> str:
    """Return a table of the ways to models."""
    if not sources:
        return f"This machine has no way to a model: {WITHOUT_KEY}"
    rows = [
        (
            one.kind,
            one.name,
            one.set_by,
            ", ".join([*one.users, *(f"({name})" for name in one.absent)]) or "-",
            shorten(str(one.trial or "no"), _LONGEST_TRIAL),
            str(one.limit or "-"),
            f"{one.fault}: {one.step}" if one.fault else one.step,
        )
        for one in sources
    ]
    heading = ("way", "to", "set by", "used by", "tried", "limit", "to use it")
    legend = "(...): not installed; MODEL: a name of 'attractor models --provider PROVIDER'"
    shown = [tuple(map(visible, row)) for row in (heading, *rows)]
    return "\n".join([*table(shown), "", legend])


def _legend(others: int) -> Iterator[str]:
    yield "$: US dollars per million tokens; +: higher for long prompts"
    if others:
        yield f"{others} more providers: --provider PROVIDER"


def _row(model: ModelInfo) -> tuple[str, ...]:
    prices, more = model.prices(), "+" if model.price_tiers else ""
    return (
        model.id,
        model.provider,
        _tokens(model.context_window),
        _tokens(model.max_output),
        " ".join(model.capabilities) or "-",
        _price(prices.input, more),
        _price(prices.cache_read, more),
        _price(prices.output, more),
    )


def _tokens(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def _price(price: float | None, more: str) -> str:
    return UNKNOWN if price is None else f"{price:.12g}{more}"


QUESTION = "Answer with one word: ready"
_CLOCK = SystemClock()


@dataclass(frozen=True)
class Trial:
    """The result of one model call; a cost of None is unknown."""

    choice: ModelChoice
    seconds: float
    cost_usd: float | None
    response: Response

    def to_record(self) -> dict[str, Json]:
        """Return the result as a JSON object."""
        return {
            "model": self.choice.model,
            "provider": self.choice.provider,
            "answered_by": self.response.model,
            "seconds": round(self.seconds, 3),
            "text": self.response.text,
            "usage": write_fields(self.response.usage, raw=""),
            "cost_usd": self.cost_usd,
        }


def choose(model: str, known: ModelInfo | None, provider: str) -> ModelChoice:
    """Return the provider and model id to request; resolve short model names."""
    providers = provider_registry()
    serves = provider or (known.provider if known else find_provider(model))
    if not serves:
        raise UsageError(
            f"unknown provider of model {model!r}",
            hint=f"add --provider with one of: {', '.join(sorted(providers))}",
        )
    if not is_provider(serves):
        raise UnknownName("provider", serves, providers)
    # A provider that serves models of others uses the full name.
    is_its_own = known is not None and known.provider == serves
    return ModelChoice(serves, known.id if known and is_its_own else model)


async def try_once(
    choice: ModelChoice,
    known: ModelInfo | None,
    environ: Mapping[str, str],
    clock: Clock = _CLOCK,
) -> Trial:
    """Call the model once, without retries."""
    async with Client.from_env(environ, timeout=AGENT_TIMEOUT) as client:
        if not client.can_ask(choice.provider):
            raise UsageError(
                f"missing API key of provider {choice.provider!r}",
                hint=key_remedy(choice.provider),
            )
        request = Request(choice.model, [Message.user(QUESTION)], provider=choice.provider)
        began = clock.monotonic()
        response = await client.complete(request)
        seconds = clock.monotonic() - began
    cost = cost_of(response.usage, known) if known else None
    return Trial(choice, seconds, cost, response)


@click.group(invoke_without_command=True)
@click.option("--provider", metavar="PROVIDER", help="List only the models of this provider.")
@click.option(
    "--mine",
    is_flag=True,
    help="List the ways to models that this machine has: keys, clouds, local servers and logins, "
    "each with the agents that can use it, its last answer, its limit, and the line that uses it.",
)
@json_option
@click.pass_context
def models(ctx: click.Context, provider: str | None, mine: bool, as_json: bool) -> ExitCode:
    """List known models with context windows, capabilities and prices.

    Without --provider, list the models of installed providers. Unlisted models can also be used,
    but their price is unknown. With --mine, no provider is asked.
    """
    if ctx.invoked_subcommand is not None:
        command = ctx.invoked_subcommand
        options = ["--provider"] * (provider is not None) + ["--mine"] * mine + ["--json"] * as_json
        if options:
            raise UsageError(
                f"{' and '.join(options)} before {command!r} has no effect",
                hint=f"write them last: attractor models {command} MODEL {' '.join(options)}",
            )
        return ExitCode.DONE
    if mine:
        if provider:
            raise UsageError("--mine lists all providers", hint="leave out --provider")
        found = asyncio.run(sources_of(ctx.obj).find())
        return show_result(
            [write_fields(one) for one in found], sources_text(found), as_json=as_json
        )
    shown = list_catalogue(provider or "")
    others = set(shipped_catalogue().providers) - set(provider_registry())
    words = models_text(shown, others=0 if provider else len(others))
    return show_result([asdict(model) for model in shown], words, as_json=as_json)


@models.command("test")
@click.argument("model", metavar="MODEL", shell_complete=complete_models)
@click.option(
    "--provider", metavar="PROVIDER", help="Ask this provider (default: by the model name)."
)
@json_option
@debug_option(hidden=True)
@click.pass_obj
def try_model(invocation: Invocation, model: str, provider: str | None, as_json: bool) -> ExitCode:
    """Send one short question to a model and report time and cost.

    This makes one real request with the provider's key, at the usual price.
    """
    refuse_in_run("'attractor models test'", invocation.environ)
    known = get_model_info(model, provider or "")
    choice = choose(model, known, provider or "")
    if known is None:
        words = f"unknown model {model}: not in the catalogue, requested as written"
        show(words, err=True)
    account = account_of(choice.provider, sources_of(invocation).accounts)
    try:
        trial = asyncio.run(try_once(choice, known, invocation.environ))
    except SDKError as error:
        account.record_trial(choice.model, error.message)
        raise
    account.record_trial(choice.model)
    return show_result(trial.to_record(), trial_text(trial), as_json=as_json)


part = models
