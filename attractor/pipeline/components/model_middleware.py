"""Builds the middleware around model calls from the settings."""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.backends.models import is_provider
from attractor.base.errors import UnknownName
from attractor.base.files import file_error
from attractor.base.json import JsonObject
from attractor.engine.storage.secrets import texts_of
from attractor.llm import middleware as shipped
from attractor.llm.catalogue import shipped_catalogue
from attractor.llm.client import StreamMiddleware, provider_registry
from attractor.pipeline.host.own_texts import secrets_in_own_texts
from attractor.pipeline.host.run_host import RunHost

if TYPE_CHECKING:  # the door of the middleware is light: a run loads what it uses
    from attractor.config.settings import LlmSettings
    from attractor.llm.middleware import Limit, RateLimits


_APPENDED = os.O_WRONLY | os.O_APPEND | os.O_CREAT


def model_middleware(host: RunHost, stack: AsyncExitStack) -> Sequence[StreamMiddleware]:
    """Return the middleware of a run, the outermost first; what it opens ends with the stack."""
    settings = host.llm
    return () if settings is None else [*_middleware(settings, host, stack)]


def _middleware(
    settings: "LlmSettings", host: RunHost, stack: AsyncExitStack
) -> Iterator[StreamMiddleware]:
    for _, unknown in find_unknown_providers(settings):
        raise unknown
    logger = None
    if settings.log is not None:
        logger = _open_log(settings.log, stack)
        yield shipped.Logging(logger)
    if settings.redact:
        patterns = (*shipped.WELL_KNOWN, *settings.redact_patterns)
        yield shipped.Redaction(_secrets(host), patterns=patterns)
    if settings.cache is not None:
        yield shipped.DiskCache(settings.cache, mode=settings.cache_mode)
    others = {
        model: [shipped.ModelName.parse(one) for one in names]
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
    """Return the one object that all runs of this process share whose limits are the same.

    Each run has a host of its own, and the limits hold for all of them: so they are kept here.
    """
    return shipped.RateLimits(dict(limits))


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
    """Yield each setting that names a provider, and the name."""
    for model, others in settings.fall_back.items():
        for one in others:
            yield f"llm.fall_back.{model}", shipped.ModelName.parse(one).provider
    for key in ("requests_per_minute", "tokens_per_minute", "concurrent_requests"):
        yield from ((f"llm.{key}", name) for name in getattr(settings, key))


def _secrets(host: RunHost) -> Sequence[str]:
    """Return the secrets that the records of runs redact as well."""
    values = [*(host.environ[name] for name in host.secret_variables), *host.secrets]
    texts = {text for value in values for text in texts_of(value)}
    return sorted(texts - secrets_in_own_texts(values))


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
        told: JsonObject = getattr(record, "llm", {})
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        words = record.getMessage()
        return json.dumps({"time": time, "level": record.levelname, "words": words, **told})
