"""List known models with context windows, capabilities and prices."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import click

from attractor.base.errors import ExitCode, UnknownName, UsageError
from attractor.cli.invocation import Invocation, debug_option, json_option
from attractor.cli.models import models_text, trial_text
from attractor.cli.output.streams import show, show_json
from attractor.llm.catalogue import Catalogue, ModelInfo, get_model_info, shipped_catalogue
from attractor.llm.client import provider_registry


@click.group(invoke_without_command=True)
@click.option("--provider", metavar="PROVIDER", help="List only the models of this provider.")
@json_option
@click.pass_context
def models(ctx: click.Context, provider: str | None, as_json: bool) -> ExitCode:
    """List known models with context windows, capabilities and prices.

    Without --provider, list the models of installed providers. Unlisted models can also be used,
    but their price is unknown.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_early_options(ctx.invoked_subcommand, provider, as_json=as_json)
        return ExitCode.DONE
    catalogue = shipped_catalogue()
    shown = _chosen(catalogue, provider)
    if as_json:
        show_json([asdict(model) for model in shown])
    else:
        others = set(catalogue.providers) - set(provider_registry())
        show(models_text(shown, others=0 if provider else len(others)))
    return ExitCode.DONE


@models.command("test")
@click.argument("model", metavar="MODEL")
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
    from attractor.cli.models import choose, try_once

    known = get_model_info(model, provider or "")
    choice = choose(model, known, provider or "")
    if known is None:
        words = f"unknown model {model}: not in the catalogue, requested as written"
        show(words, err=True)
    trial = asyncio.run(try_once(choice, known, invocation.environ))
    if as_json:
        show_json(trial.to_record())
    else:
        show(trial_text(trial))
    return ExitCode.DONE


def _chosen(catalogue: Catalogue, provider: str | None) -> Sequence[ModelInfo]:
    if provider is None:
        can_be_asked = set(provider_registry())
        return [one for one in catalogue.newest_first() if one.provider in can_be_asked]
    if provider not in catalogue.providers:
        raise UnknownName("provider", provider, catalogue.providers)
    return catalogue.newest_first(provider)


def _refuse_early_options(command: str, provider: str | None, *, as_json: bool) -> None:
    options = ["--provider"] * (provider is not None) + ["--json"] * as_json
    if options:
        raise UsageError(
            f"{' and '.join(options)} before {command!r} has no effect",
            hint=f"write them last: attractor models {command} MODEL {' '.join(options)}",
        )


part = models
