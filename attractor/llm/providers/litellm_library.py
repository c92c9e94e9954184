"""Loads litellm when it is first used, and keeps it quiet: nothing fetched, logged or reported."""

import importlib
import logging
import threading
import warnings
from collections.abc import AsyncGenerator, Awaitable, Generator, MutableMapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol, cast

import httpx

from attractor import __environ__
from attractor.llm.errors import ConfigurationError
from attractor.llm.providers.litellm_exchange import Carrier, is_watched

# Without these the import goes to the network, and reads a `.env` of the folder it is done in.
_AT_IMPORT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_MODE": "PRODUCTION",
    # An image's address is for the provider to follow.
    "MAX_IMAGE_URL_DOWNLOAD_SIZE_MB": "0",
}
_SETTINGS = {
    "suppress_debug_info": True,
    "turn_off_message_logging": True,
    "disable_streaming_logging": True,
    "disable_hf_tokenizer_download": True,
    "disable_aiohttp_transport": True,
    "telemetry": False,
    "drop_params": False,
    "modify_params": False,
    "num_retries": 0,
}
_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
_BUILT_LATE = (
    "Message",
    "Delta",
    "Choices",
    "StreamingChoices",
    "ModelResponse",
    "ModelResponseStream",
)
_LOADING = threading.Lock()
_CLIENT_OF_LITELLM = "async_httpx_client"


class Chunks(Protocol):
    """An answer of litellm that comes in pieces."""

    received_finish_reason: str | None
    intermittent_finish_reason: str | None

    def __aiter__(self) -> AsyncGenerator[Any]:
        """Yield the pieces."""
        ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...


class Library(Protocol):
    """What is used of litellm."""

    def acompletion(self, **parameters: object) -> Awaitable[Any]:
        """Ask a model."""
        ...

    def get_supported_openai_params(
        self, *, model: str, custom_llm_provider: str
    ) -> Sequence[str] | None:
        """Return what a provider's model can be told."""
        ...


@cache
def load_litellm() -> Library:
    """Return litellm; the first call takes seconds."""
    with _LOADING, _at_import():
        try:
            litellm: Any = importlib.import_module("litellm")
            handlers: Any = importlib.import_module("litellm.llms.custom_httpx.http_handler")
            caching: Any = importlib.import_module("litellm.caching.llm_caching_handler")
            types: Any = importlib.import_module("litellm.types.utils")
        except ImportError as cause:
            raise ConfigurationError(
                f"litellm cannot be loaded: {cause}",
                hint="install it anew where attractor is: pip install --force-reinstall litellm",
            ) from cause
        _build(types)
    for name, value in _SETTINGS.items():
        setattr(litellm, name, value)
    for name in _LOGGERS:
        logging.getLogger(name).disabled = True
    _send_by(Carrier(), litellm, handlers, caching)
    return cast(Library, litellm)


def _build(types: Any) -> None:
    """Build the types of answers, which warn when they are built in the first call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _BUILT_LATE:
            getattr(types, name).model_rebuild()


def _send_by(carrier: Carrier, litellm: Any, handlers: Any, caching: Any) -> None:
    """Let litellm send by our carrier: by SDKs of providers, and by clients of its own."""
    if litellm.aclient_session is None:
        litellm.aclient_session = httpx.AsyncClient(
            transport=carrier, timeout=None, trust_env=False
        )
    ours = handlers.AsyncHTTPHandler(transport=carrier, follow_redirects=False)

    class Clients(caching.LLMClientCache):
        def get_cache(self, key: str, **more: object) -> object:
            if is_watched() and key.startswith(_CLIENT_OF_LITELLM):
                return ours
            return caching.LLMClientCache.get_cache(self, key, **more)

    litellm.in_memory_llm_clients_cache = Clients()


@contextmanager
def _at_import() -> Generator[None]:
    """Set variables while litellm is imported; it takes its word from nowhere else."""
    environ = cast(MutableMapping[str, str], __environ__())
    before = {name: environ.get(name) for name in _AT_IMPORT}
    environ.update(_AT_IMPORT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del environ[name]
            else:
                environ[name] = value
