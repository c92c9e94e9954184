"""Opens the client of the models of a run with its middleware, and finds its agents."""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.agent.definitions import Agents
from attractor.backends.accounts import Accounts
from attractor.backends.models import AgentParts, ModelDefaults, full_name
from attractor.backends.provider_needs import is_provider, provider_of
from attractor.backends.registry import BackendParts, OutsideParts
from attractor.base.errors import UnknownName
from attractor.base.files import file_error
from attractor.base.json import JsonObject
from attractor.config.logins import AllowedLogins
from attractor.config.projects import PROFILES
from attractor.engine.storage.secrets import is_unusable
from attractor.llm import middleware as shipped
from attractor.llm.catalogue import shipped_catalogue
from attractor.llm.client import AGENT_TIMEOUT, Client, StreamMiddleware, provider_registry
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.records.request import RunRequest

if TYPE_CHECKING:
    from attractor.config.settings import LlmSettings
    from attractor.llm.middleware import Limit, RateLimits


_APPENDED = os.O_WRONLY | os.O_APPEND | os.O_CREAT


async def open_client(scope: RunScope, stack: AsyncExitStack) -> Client:
    """Return the client of the models of a project; the exit stack closes the client."""
    middleware = model_middleware(scope, stack)
    client = Client.from_env(
        scope.project.machine.environ, timeout=AGENT_TIMEOUT, middleware=middleware
    )
    return await stack.enter_async_context(client)


def model_middleware(scope: RunScope, stack: AsyncExitStack) -> Sequence[StreamMiddleware]:
    """Return the middleware of a run, outermost first; the exit stack closes the log files."""
    settings = scope.project.llm
    return () if settings is None else [*_middleware(settings, scope, stack)]


def _middleware(
    settings: "LlmSettings", scope: RunScope, stack: AsyncExitStack
) -> Iterator[StreamMiddleware]:
    for _, unknown in find_unknown_providers(settings):
        raise unknown
    logger = None
    if settings.log is not None:
        logger = _open_log(settings.log, stack)
        yield shipped.Logging(logger)
    if settings.redact:
        patterns = (*shipped.WELL_KNOWN, *settings.redact_patterns)
        yield shipped.Redaction(_secrets(scope), patterns=patterns)
    if settings.cache is not None:
        yield shipped.DiskCache(settings.cache, mode=settings.cache_mode)
    others = {
        full_name(model, provider_of(model)): [_fallback_model(name) for name in names]
        for model, names in settings.fall_back.items()
        if names
    }
    if others:
        yield shipped.Fallback(by_model=others)
    limits = _limits(settings)
    if limits:
        yield shipped.RateLimit(shared_rate_limits(tuple(sorted(limits.items()))), logger=logger)


@cache
def shared_rate_limits(limits: tuple[tuple[str, "Limit"], ...]) -> "RateLimits":
    """Return the rate limits that all runs of this process with equal settings share.

    The limits are stored here, because each run has its own client, but the limits apply to all
    runs together.
    """
    return shipped.RateLimits(dict(limits))


def _fallback_model(text: str) -> shipped.ModelName:
    provider, model = shipped.ModelName.parse(text)
    return shipped.ModelName(provider, full_name(model, provider))


def _limits(settings: "LlmSettings") -> Mapping[str, "Limit"]:
    tables = settings.requests_per_minute, settings.tokens_per_minute, settings.concurrent_requests
    providers = sorted({provider for table in tables for provider in table})
    return {name: shipped.Limit(*(table.get(name) for table in tables)) for name in providers}


def find_unknown_providers(settings: "LlmSettings | None") -> Iterator[tuple[str, UnknownName]]:
    """Yield each setting that names an unknown provider, with the error."""
    for key, name in _providers_named(settings) if settings is not None else ():
        if not is_provider(name):
            known = {*provider_registry(), *shipped_catalogue().providers}
            yield key, UnknownName("provider", name, known)


def _providers_named(settings: "LlmSettings") -> Iterator[tuple[str, str]]:
    """Yield each setting that names a provider, and the name of the provider."""
    for model, others in settings.fall_back.items():
        for other in others:
            yield f"llm.fall_back.{model}", shipped.ModelName.parse(other).provider
    for key in ("requests_per_minute", "tokens_per_minute", "concurrent_requests"):
        yield from ((f"llm.{key}", name) for name in getattr(settings, key))


def _secrets(scope: RunScope) -> Sequence[str]:
    """Return the secrets that are also redacted in the records of runs."""
    project = scope.project
    values = [
        *(project.machine.environ[name] for name in project.machine.secret_variables),
        *scope.secrets,
    ]
    return [value for value in values if value.strip() and not is_unusable(value)]


def _open_log(path: Path, stack: AsyncExitStack) -> logging.Logger:
    """Return a logger that writes to a private file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(path, _APPENDED, 0o600), "a", encoding="utf-8")
    except OSError as cause:
        raise file_error("write", path, cause) from cause
    handler = logging.StreamHandler(stack.enter_context(file))
    handler.setFormatter(_JsonLines())
    logger = logging.Logger("attractor.llm")
    logger.addHandler(handler)
    return logger


class _JsonLines(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields: JsonObject = getattr(record, "llm", {})
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        words = record.getMessage()
        return json.dumps({"time": time, "level": record.levelname, "words": words, **fields})


async def model_parts(
    request: RunRequest, scope: RunScope, stack: AsyncExitStack, *, asks_models: bool
) -> BackendParts:
    """Return the parts of backends that ask models or run programs.

    The exit stack closes the client, which is opened if a stage `asks_models`.
    """
    parts = outside_parts(request, scope)
    if not asks_models:
        return parts
    client = await open_client(scope, stack)
    return replace(parts, agent=_agent_parts(client, request, scope))


def agents_of(scope: RunScope) -> Agents:
    """Return the agents of the project or of the run, and the shipped ones."""
    return Agents([scope.agents_folder])


def outside_parts(
    request: RunRequest, scope: RunScope, *, is_model_asked: bool = False
) -> BackendParts:
    """Return the parts of backends that run programs."""
    project = scope.project
    return BackendParts(
        outside=OutsideParts(
            environ=project.machine.environ,
            defaults=ModelDefaults(request.model, request.provider),
            settings=project.backends,
            asks=bool(request.permissions and request.permissions.asks and not request.person),
            is_sandboxed=request.sandbox != "none" or bool(request.place),
            is_model_asked=is_model_asked,
            prompt_folders=(scope.agents_folder / PROFILES,),
            accounts=accounts_of(request, project),
            logins=AllowedLogins(project.machine.state_dir).usable(project.machine.environ),
            command=request.command.words if request.command else (),
            arguments={request.backend: request.task.arguments} if request.task else {},
            feedback=request.feedback,
            has_person=bool(request.person),
            terminal=project.console.terminal,
            place=request.place,
        ),
        team=project.console.team if request.task else None,
        memory=scope.memory if request.task or request.mission else None,
        tools=project.console.tools,
    )


def accounts_of(request: RunRequest, project: Project) -> Accounts | None:
    """Return the accounts of the models; None if the run does not wait for their limits."""
    machine = project.machine
    is_off = project.backends is not None and not project.backends.wait_for_limits
    if is_off or not request.waits_for_limits:
        return None
    return Accounts(machine.state_dir, machine.environ, machine.clock)


def _agent_parts(client: Client, request: RunRequest, scope: RunScope) -> AgentParts | None:
    project = scope.project
    if not client.providers:
        return None
    return AgentParts(
        client=client,
        model=request.model,
        provider=request.provider,
        clock=project.machine.clock,
        accounts=accounts_of(request, project),
        mcp=project.agent.mcp if project.agent else {},
        prompt_folders=(scope.agents_folder / PROFILES,),
        agents=agents_of(scope),
    )
