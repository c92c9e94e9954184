"""Asks whether the model providers of a run answer, once before the first stage, at no cost."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Thread

from attractor.backends.models import ModelDefaults, find_libraries, full_name, key_variable
from attractor.backends.provider_needs import provider_of
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.language.graph.graph import Node
from attractor.llm.client import AdapterTimeout, Client
from attractor.llm.errors import (
    AuthenticationError,
    ConfigurationError,
    NetworkError,
    ProviderError,
    RequestTimeoutError,
)
from attractor.pipeline.project.project import Project

PATIENCE = AdapterTimeout(connect=5.0, request=10.0)
_NO_LIST = "not asked: no list of models"


@dataclass(frozen=True)
class ProviderAnswers:
    """The answers as fields of an event; `fault` if a stage could not use its provider."""

    fields: JsonObject
    fault: str = ""


@dataclass(frozen=True)
class _Answer:
    provider: str
    words: str
    fault: str = ""


def providers_to_ask(
    nodes: Sequence[Node], defaults: ModelDefaults, project: Project
) -> tuple[str, ...]:
    """Return the providers that the stages need, without those that another model can replace."""
    others: Mapping[str, tuple[str, ...]] = project.llm.fall_back if project.llm else {}
    replaceable = {full_name(one, provider_of(one)) for one, names in others.items() if names}
    chosen = map(defaults.choose, nodes)
    return tuple(dict.fromkeys(one.provider for one in chosen if one.model not in replaceable))


async def ask_providers(
    providers: Sequence[str], project: Project, *, is_wanted: bool = True
) -> ProviderAnswers:
    """Request the list of models of each provider, all at the same time."""
    if not is_wanted:
        return ProviderAnswers({"skipped": "policy.ask_providers is false"})
    if project.llm and project.llm.cache:
        return ProviderAnswers({"skipped": "the cache may answer"})
    async with Client.from_env(project.machine.environ, timeout=PATIENCE) as client:
        answers = await asyncio.gather(
            *(_ask(client, one, project.machine.environ) for one in providers)
        )
    if unasked := [one.provider for one in answers if one.words == _NO_LIST]:
        project.console.tell(
            f"Not asked whether they answer, for lack of a list: {', '.join(unasked)}."
        )
    words: dict[str, Json] = {one.provider: one.words for one in answers}
    faults = [one.fault for one in answers if one.fault]
    return ProviderAnswers({"answers": words}, "; ".join(faults))


async def begin_loading(providers: Sequence[str], project: Project) -> Sequence[str]:
    """Load the libraries of providers on other threads, and return their names.

    The first stage can be prepared meanwhile; its first call waits for the library.
    """
    libraries = await find_libraries(providers, project.machine.environ)
    for name, load in libraries.items():
        project.console.tell(f"Loading {name}, which reaches {', '.join(providers)}.")
        Thread(target=_load, args=[load], name=f"load {name}").start()
    return [*libraries]


def _load(load: Callable[[], None]) -> None:
    # The first call raises the error again.
    with suppress(ConfigurationError):
        load()


async def _ask(client: Client, provider: str, environ: Mapping[str, str]) -> _Answer:
    try:
        is_asked = await client.probe(provider)
    except (NetworkError, RequestTimeoutError) as error:
        fault = (
            f"the model provider {provider} does not answer: {error.message} "
            "(check the network and its base URL)"
        )
        return _Answer(provider, "no answer", fault)
    except ProviderError as error:
        fault = _refusal(error, key_variable(provider, environ))
        return _Answer(provider, f"answered {error.status_code}", fault)
    return _Answer(provider, "answered" if is_asked else _NO_LIST)


def _refusal(error: ProviderError, variable: str) -> str:
    """Return the fault if a provider refuses an API key.

    Any other error proves that the provider answers: a gateway may have no list of models, and
    OpenAI refuses the list to restricted keys with 401, "missing scopes".
    """
    if not isinstance(error, AuthenticationError) or "scope" in error.message.casefold():
        return ""
    return (
        f"the model provider {error.provider} refuses the API key of {variable}: {error.message} "
        "(set a valid key)"
    )
